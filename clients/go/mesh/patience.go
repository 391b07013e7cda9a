package mesh

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// How often in a row a stream may break without having brought anything.
const attempts = 8

// patience waits between the tries of a stream that breaks.
type patience struct{ failures int }

// renew is called when a stream has brought something.
func (p *patience) renew() { p.failures = 0 }

// wait waits longer each time. It returns err itself where trying again
// does not help, or has not helped often enough.
func (p *patience) wait(ctx context.Context, err error) error {
	p.failures++
	if status.Code(err) != codes.Unavailable || p.failures == attempts {
		return err
	}
	delay := min(200*time.Millisecond<<p.failures, 3*time.Second)
	select {
	case <-time.After(delay/2 + rand.N(delay/2)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
