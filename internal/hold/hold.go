package hold

// HeldError says that another process holds the lock.
type HeldError struct {
	Hint string // what can be done about it
}

// Error implements error.
func (e *HeldError) Error() string { return "held by another process. Try: " + e.Hint }
