package wire

import (
	"encoding/json"
	"fmt"

	"github.com/qorgan/qorgan/event"
)

// Item is one record of a frame: exactly one of its parts is set.
type Item struct {
	Event *event.Event `json:"event,omitempty"`
	Tally *event.Tally `json:"tally,omitempty"`
	Loss  *event.Loss  `json:"loss,omitempty"`
}

// Encode returns the item as a record.
func (i Item) Encode() ([]byte, error) {
	b, err := json.Marshal(i)
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return b, nil
}

// DecodeItem reads a record. What a newer edge added to an item is ignored; an
// item of a kind that is not known is an error.
func DecodeItem(record []byte) (Item, error) {
	var i Item
	if err := json.Unmarshal(record, &i); err != nil {
		return Item{}, fmt.Errorf("decode report: %w", err)
	}
	parts := 0
	for _, set := range []bool{i.Event != nil, i.Tally != nil, i.Loss != nil} {
		if set {
			parts++
		}
	}
	if parts != 1 {
		return Item{}, fmt.Errorf("decode report: %d known parts instead of one", parts)
	}
	return i, nil
}

// Weight is how many refusals and detections the item accounts for.
func (i Item) Weight() int64 {
	switch {
	case i.Event != nil:
		return 1
	case i.Tally != nil:
		return i.Tally.Count
	case i.Loss != nil:
		return i.Loss.Count
	}
	return 0
}
