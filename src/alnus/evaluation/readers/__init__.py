"""Reader studies: several readers, several cases, one or more treatments (ways of reading), on one table of ratings."""
