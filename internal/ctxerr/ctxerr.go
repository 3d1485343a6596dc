// Package ctxerr returns the error of a context that has ended.
package ctxerr

import (
	"context"
	"errors"
	"fmt"
)

// Of returns nil while ctx is active, then its error. If ctx has a different cause,
// the error includes it, so that errors.Is finds both.
func Of(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); !errors.Is(cause, err) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}
