package ctxerr

import (
	"context"
	"errors"
	"testing"
)

func TestOf(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := Of(ctx); err != nil {
		t.Errorf("error %v of a context that runs", err)
	}
	cause := errors.New("the cause")
	cancel(cause)
	if err := Of(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
		t.Errorf("error %v, want cancellation and cause", err)
	}
	plain, stop := context.WithCancel(t.Context())
	stop()
	if err := Of(plain); err != context.Canceled {
		t.Errorf("error %v, want no more than the cancellation", err)
	}
}
