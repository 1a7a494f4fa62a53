# Fails at the first answer that is not as expected. Port and password come from PGPORT and PGPASSWORD.
suppressMessages({
  library(DBI)
  library(RPostgreSQL)
  library(dplyr)
  library(dbplyr)
})

connection <- dbConnect(
  PostgreSQL(), host = "127.0.0.1", port = Sys.getenv("PGPORT"), user = "admin",
  password = Sys.getenv("PGPASSWORD"), dbname = "boathouse"
)

nations <- dbGetQuery(connection, "select n_name, n_regionkey from sample.nation where n_nationkey < 2 order by 1")
stopifnot(identical(nations$n_name, c("ALGERIA", "ARGENTINA")))
stopifnot(dbExistsTable(connection, c("sample", "nation")))
stopifnot(length(dbListFields(connection, c("sample", "nation"))) == 4)

written <- data.frame(a = 1:3, b = c("x", "y", NA), d = as.Date("2024-01-01") + 0:2, f = c(1.5, 2.5, NA))
stopifnot(dbWriteTable(connection, "by_r", written, row.names = FALSE))
stopifnot(dbWriteTable(connection, "by_r", data.frame(a = 4L, b = "z", d = as.Date("2024-02-01"), f = 1),
                       row.names = FALSE, append = TRUE))
read <- dbGetQuery(connection, "select * from by_r order by a")
stopifnot(nrow(read) == 4, is.na(read$b[3]), read$f[2] == 2.5, as.character(read$d[1]) == "2024-01-01")
stopifnot(dbRemoveTable(connection, "by_r"))

lines <- tbl(connection, in_schema("sample", "lineitem"))
flags <- lines %>%
  group_by(l_returnflag) %>%
  summarise(n = n(), mean = mean(l_discount, na.rm = TRUE)) %>%
  arrange(l_returnflag) %>%
  collect()
stopifnot(identical(flags$l_returnflag, c("A", "N", "R")), sum(flags$n) == 60175)

nation <- tbl(connection, in_schema("sample", "nation"))
region <- tbl(connection, in_schema("sample", "region"))
by_region <- nation %>%
  inner_join(region, by = c("n_regionkey" = "r_regionkey")) %>%
  count(r_name) %>%
  arrange(r_name) %>%
  collect()
stopifnot(nrow(by_region) == 5, all(by_region$n == 5))

first <- nation %>%
  group_by(n_regionkey) %>%
  filter(row_number(n_nationkey) == 1) %>%
  ungroup() %>%
  collect()
stopifnot(nrow(first) == 5)

kept <- nation %>% filter(n_nationkey < 3) %>% compute()
stopifnot(nrow(collect(kept)) == 3)
invisible(dbDisconnect(connection))
