package siege

func herdMain() {}
