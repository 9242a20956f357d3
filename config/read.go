package config

// read reads the file at path and the sites.d folder beside it.
func read(path string, m *mistakes) *Config {
	m.add(&Error{Path: "-c", Message: "this build reads no files", Hint: "the flags --site and --to"})
	return Default()
}
