# What mrmc_expected.csv holds, from mrmc_ratings.csv (simulated: 2 treatments, 3 readers, 40 cases; `kept` marks the
# readings of the incomplete version). Nothing is shared with alnus: AUCs and DeLong's covariances are pROC's, the
# jackknife leaves out one case after the other, the unbiased estimate is a sum over all pairs of pairs, mean squares
# are those of aov. R 4.2.2, pROC 1.18.0. Run in this folder: Rscript mrmc.R
suppressMessages(library(pROC))
all_rows <- read.csv("mrmc_ratings.csv")
out <- NULL

curve <- function(d) roc(d$truth, d$rating, levels = c(0, 1), direction = "<", quiet = TRUE)
accuracy <- list(
  auc = function(d) as.numeric(auc(curve(d))),
  sensitivity = function(d) mean(d$rating[d$truth == 1] >= 3),
  specificity = function(d) mean(d$rating[d$truth == 0] < 3)
)

jackknife <- function(groups, metric, cases) {
  left <- sapply(groups, function(d) sapply(cases, function(k) accuracy[[metric]](d[d$case != k, ])))
  n <- length(cases)
  cov(left) * (n - 1)^2 / n
}

delong <- function(groups) {
  n <- length(groups)
  v <- matrix(0, n, n)
  for (i in 1:n) for (j in 1:n) {
    a <- groups[[i]]; b <- groups[[j]]
    b <- b[match(a$case, b$case), ]
    v[i, j] <- if (i == j) var(curve(a), method = "delong") else cov(curve(a), curve(b), method = "delong")
  }
  v
}

unbiased <- function(groups) {
  n <- length(groups)
  v <- matrix(0, n, n)
  kernel <- lapply(groups, function(d) {
    p <- d[d$truth == 1, ]; q <- d[d$truth == 0, ]
    s <- outer(p$rating, q$rating, function(x, y) (x > y) + 0.5 * (x == y))
    list(s = s, p = p$case, q = q$case)
  })
  for (i in 1:n) for (j in 1:n) {
    a <- kernel[[i]]; b <- kernel[[j]]
    total <- 0; count <- 0
    for (k in seq_along(a$p)) for (l in seq_along(a$q)) {
      apart <- outer(b$p != a$p[k], b$q != a$q[l])
      total <- total + a$s[k, l] * sum(b$s * apart)
      count <- count + sum(apart)
    }
    v[i, j] <- mean(a$s) * mean(b$s) - total / count
  }
  v
}

analyse <- function(rows, metric, method, name) {
  keys <- expand.grid(reader = unique(rows$reader), treatment = unique(rows$treatment))
  groups <- lapply(seq_len(nrow(keys)), function(g) {
    rows[rows$reader == keys$reader[g] & rows$treatment == keys$treatment[g], ]
  })
  used <- switch(metric, auc = rows, sensitivity = rows[rows$truth == 1, ], specificity = rows[rows$truth == 0, ])
  v <- switch(method, jackknife = jackknife(groups, metric, unique(used$case)), delong = delong(groups),
              unbiased = unbiased(groups))
  keys$y <- sapply(groups, accuracy[[metric]])
  squares <- summary(aov(y ~ treatment * reader, keys))[[1]][["Mean Sq"]]
  st <- outer(keys$treatment, keys$treatment, "=="); sr <- outer(keys$reader, keys$reader, "==")
  error <- mean(v[st & sr]); c1 <- mean(v[!st & sr]); c2 <- mean(v[st & !sr]); c3 <- mean(v[!st & !sr])
  t <- 2; r <- 3
  random <- squares[3] + r * max(c2 - c3, 0)
  df2 <- random^2 / (squares[3]^2 / ((t - 1) * (r - 1)))
  fixed <- error - c1 + (r - 1) * (c2 - c3)
  difference <- diff(-tapply(keys$y, keys$treatment, mean))
  out <<- rbind(out, data.frame(
    table = name, metric = metric, covariance = method, error = error, cov1 = c1, cov2 = c2, cov3 = c3,
    reader = (squares[2] - squares[3]) / t - c1 + c3, treatment_reader = squares[3] - error + c1 + c2 - c3,
    difference = difference, error_random = sqrt(2 / r * random), df = df2,
    p_random = pf(squares[1] / random, t - 1, df2, lower.tail = FALSE),
    p_fixed_readers = pchisq((t - 1) * squares[1] / fixed, t - 1, lower.tail = FALSE),
    p_fixed_cases = pf(squares[1] / squares[3], t - 1, (t - 1) * (r - 1), lower.tail = FALSE)
  ))
}

for (method in c("delong", "jackknife", "unbiased")) analyse(all_rows, "auc", method, "complete")
for (metric in c("sensitivity", "specificity")) analyse(all_rows, metric, "jackknife", "complete")
some_rows <- all_rows[all_rows$kept == 1, ]
for (method in c("jackknife", "unbiased")) analyse(some_rows, "auc", method, "incomplete")
for (metric in c("sensitivity", "specificity")) analyse(some_rows, metric, "jackknife", "incomplete")
numbers <- sapply(out, is.numeric)
out[numbers] <- lapply(out[numbers], function(x) formatC(x, digits = 15, format = "g"))
write.csv(out, "mrmc_expected.csv", row.names = FALSE, quote = FALSE)
