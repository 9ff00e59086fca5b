# Makes statistics_expected.csv from proc_cases.csv and the counts below: Rscript statistics.R (in this folder; Debian's
# r-cran-proc, r-cran-epir, r-cran-rms, r-base-core). Each row states the call that made its value.
suppressMessages({library(pROC); library(epiR); library(rms)})
cases <- split(read.csv("proc_cases.csv"), read.csv("proc_cases.csv")$case)
rows <- list()
add <- function(what, case, call, value) {
  number <- sprintf("%.17g", as.numeric(value))
  rows[[length(rows) + 1]] <<- data.frame(what = what, case = case, call = call, value = number)
}
curve <- function(part, score = "a") roc(part$label, part[[score]], levels = c(0, 1), direction = "<", quiet = TRUE)
partial <- function(r, range, focus, correct) suppressWarnings(as.numeric(
  auc(r, partial.auc = range, partial.auc.focus = focus, partial.auc.correct = correct, allow.invalid.partial.auc.correct = TRUE)))
for (name in names(cases)) {
  r <- curve(cases[[name]])
  for (focus in c("specificity", "sensitivity")) for (low in c(0.5, 0.8)) {
    add(paste("pauc", focus, low), name, sprintf("auc(r, partial.auc=c(1,%s), partial.auc.focus='%s')", low, focus), partial(r, c(1, low), focus, FALSE))
    add(paste("mcclish", focus, low), name, sprintf("auc(r, partial.auc=c(1,%s), partial.auc.focus='%s', partial.auc.correct=TRUE)", low, focus), partial(r, c(1, low), focus, TRUE))
  }
  a <- as.numeric(auc(r)); s <- sqrt(var(r, method = "delong"))
  if (s > 0) for (side in c("low", "high")) {
    z <- qnorm(0.975) * ifelse(side == "low", -1, 1)
    add(paste("logit", side), name, "plogis(qlogis(auc(r)) +- qnorm(.975)*sqrt(var(r))/(auc(r)*(1-auc(r))))", plogis(qlogis(a) + z * s / (a * (1 - a))))
  }
}
pairs <- list(c("set A's size", "ties"), c("many", "below chance"), c("few patients", "calls"))
for (p in pairs) {
  t <- roc.test(curve(cases[[p[1]]]), curve(cases[[p[2]]]), method = "delong", paired = FALSE)
  call <- "roc.test(a, b, method='delong', paired=FALSE)"
  for (x in list(list("t", t$statistic), list("df", t$parameter), list("p", t$p.value)))
    add(paste("unpaired", x[[1]]), paste(p, collapse = " | "), call, x[[2]])
}
for (x in list(c(0.8, 1, 0.9), c(0.75, 2, 0.8), c(0.914, 40 / 21, 0.8)))
  add("ncases", paste(x[1], sprintf("%.17g", x[2]), x[3]), "power.roc.test(auc=, kappa=, power=, sig.level=.05)$ncases",
      power.roc.test(auc = x[1], kappa = x[2], power = x[3], sig.level = 0.05)$ncases)
for (x in list(c(52, 61), c(16, 21), c(36, 40), c(0, 12), c(12, 12), c(1, 3))) {
  w <- suppressWarnings(prop.test(x[1], x[2], correct = FALSE)$conf.int)
  add("wilson low", paste(x, collapse = "/"), "prop.test(k, n, correct=FALSE)$conf.int[1]", w[1])
  add("wilson high", paste(x, collapse = "/"), "prop.test(k, n, correct=FALSE)$conf.int[2]", w[2])
  b <- binom.test(x[1], x[2])$conf.int
  add("exact low", paste(x, collapse = "/"), "binom.test(k, n)$conf.int[1]", b[1])
  add("exact high", paste(x, collapse = "/"), "binom.test(k, n)$conf.int[2]", b[2])
}
for (x in list(c(16, 4, 5, 36), c(109, 20, 27, 101))) {
  d <- epi.tests(as.table(matrix(x, nrow = 2, byrow = TRUE)))$detail
  for (s in c("lr.pos", "lr.neg")) { e <- d[d$statistic == s, ]
    for (column in c("est", "lower", "upper"))
      add(paste(s, column), paste(x, collapse = " "), "epi.tests(as.table(matrix(c(tp,fp,fn,tn), nrow=2, byrow=TRUE)))$detail", e[[column]]) }
}
# calibration: the scores of proc_cases made probabilities by plogis(a), so that logit(p) is a
for (name in c("set A's size", "ties", "many", "below chance")) {
  part <- cases[[name]]; p <- plogis(part$a); y <- part$label
  v <- val.prob(p, y, pl = FALSE)
  for (s in c("Intercept", "Slope", "Brier", "S:z", "S:p", "C (ROC)")) add(paste("val.prob", s), name, "val.prob(plogis(a), label, pl=FALSE)", v[[s]])
  both <- summary(glm(y ~ part$a, family = binomial, control = glm.control(epsilon = 1e-15, maxit = 100)))$coefficients
  large <- summary(glm(y ~ offset(part$a), family = binomial, control = glm.control(epsilon = 1e-15, maxit = 100)))$coefficients
  add("slope", name, "glm(label ~ a, binomial)", both[2, 1]); add("slope se", name, "glm(label ~ a, binomial)", both[2, 2])
  add("intercept in the large", name, "glm(label ~ offset(a), binomial)", large[1, 1])
  add("intercept in the large se", name, "glm(label ~ offset(a), binomial)", large[1, 2])
}
write.csv(do.call(rbind, rows), "statistics_expected.csv", row.names = FALSE)
cat(R.version.string, "pROC", as.character(packageVersion("pROC")), "epiR", as.character(packageVersion("epiR")), "rms", as.character(packageVersion("rms")), "\n")
