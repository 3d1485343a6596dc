// Package ctxerr makes the error of a context that ended.
package ctxerr

import (
	"context"
	"errors"
	"fmt"
)

// Of returns nil while ctx runs, then its error with the cause, if there is
// another one, so that errors.Is finds both.
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
