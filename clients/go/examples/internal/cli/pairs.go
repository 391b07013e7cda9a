package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Pairs is a flag that takes KEY=VALUE, any number of times.
type Pairs map[string]string

// Set takes one pair.
func (p Pairs) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return fmt.Errorf("%q is not KEY=VALUE", text)
	}
	p[key] = value
	return nil
}

// String names the keys.
func (p Pairs) String() string { return strings.Join(slices.Sorted(maps.Keys(p)), ",") }
