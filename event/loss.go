package event

import "time"

// Loss says that events could not be kept: how many, when and why. What was
// refused is the sum of the events stored and of the losses written down.
type Loss struct {
	ID     string    `json:"id"`    // UUIDv7, made where the loss happened
	First  time.Time `json:"first"` // when the first of them was recorded, UTC
	Last   time.Time `json:"last"`
	Count  int64     `json:"count"`
	Reason string    `json:"reason"` // stable name: "queue-full", "closed"
}
