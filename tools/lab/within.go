package lab

import (
	"context"
	"fmt"
	"time"
)

// Within asks every 50 ms until ok says so without an error, and gives up with an error after most, or with ctx's when that ends.
func Within(ctx context.Context, most time.Duration, ok func() (bool, error)) error {
	deadline := time.Now().Add(most)
	for {
		done, err := ok()
		switch {
		case done && err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("not within %s (last error: %v)", most, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
