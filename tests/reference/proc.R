# Makes proc_expected.csv from proc_cases.csv: Rscript proc.R (in this folder; R package pROC, Debian's r-cran-proc).
suppressMessages(library(pROC))
cases <- read.csv("proc_cases.csv")
rows <- lapply(unique(cases$case), function(name) {
  part <- cases[cases$case == name, ]
  a <- roc(part$label, part$a, levels = c(0, 1), direction = "<", quiet = TRUE)
  b <- roc(part$label, part$b, levels = c(0, 1), direction = "<", quiet = TRUE)
  ci <- suppressWarnings(ci.auc(a, method = "delong", conf.level = 0.95))
  test <- suppressWarnings(roc.test(a, b, method = "delong", paired = TRUE))
  number <- function(x) sprintf("%.17g", as.numeric(x))
  data.frame(case = name, auc = number(auc(a)), low = number(ci[1]), high = number(ci[3]),
             standard_error = number(sqrt(var(a, method = "delong"))), auc_b = number(auc(b)),
             z = number(test$statistic), p_value = number(test$p.value))
})
write.csv(do.call(rbind, rows), "proc_expected.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "pROC", as.character(packageVersion("pROC")), "\n")
