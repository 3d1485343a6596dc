package embedhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"example.com/eci/internal/quote"
	"example.com/eci/internal/refusal"
)

// batch embeds the texts of one request, or halves them while the server refuses
// them: they are too many, or there is one among them that it cannot embed.
func (c *Call) batch(ctx context.Context, start int, texts []string, keep func(int, [][]float32) error) error {
	for limit := c.mostTexts(); len(texts) > limit; limit = c.mostTexts() {
		if err := c.part(ctx, start, texts[:limit], false, keep); err != nil {
			return err
		}
		start, texts = start+limit, texts[limit:]
	}
	return c.part(ctx, start, texts, false, keep)
}

// part embeds texts in one request or in halves. A half is not sent again for a
// failure that the whole was sent again for.
func (c *Call) part(ctx context.Context, start int, texts []string, half bool, keep func(int, [][]float32) error) error {
	vectors, err := c.ask(ctx, texts, half)
	if err == nil {
		return keep(start, vectors)
	}
	var failure *failure
	if !errors.As(err, &failure) || !failure.ofTexts {
		return err
	}
	if len(texts) == 1 {
		return c.alone(ctx, start, texts[0], failure)
	}
	most := refusal.Most(failure.Body, len(texts))
	if most > 0 {
		c.learn(most)
	}
	size := (len(texts) + 1) / 2
	if most > 0 {
		size = most
	}
	for from := 0; from < len(texts); from += size {
		if err := c.part(ctx, start+from, texts[from:min(from+size, len(texts))], true, keep); err != nil {
			if !c.answered() && failure.Status != http.StatusRequestEntityTooLarge && ctx.Err() == nil {
				return failure // the first one says most
			}
			return err
		}
	}
	if failure.Status >= 400 && failure.Status < 500 { // each half was fine
		c.learn((len(texts) + 1) / 2)
	}
	return nil
}

// alone explains the failure of one text. The text is to blame if the server
// embeds another one.
func (c *Call) alone(ctx context.Context, at int, text string, failure *failure) error {
	if failure.Status == http.StatusRequestEntityTooLarge && failure.Err == nil {
		failure.Err = fmt.Errorf("text %d, %q, of %d bytes is too large alone", at+1, quote.Excerpt(text), len(text))
	}
	if !c.answered() {
		if _, err := c.ask(ctx, []string{"a text"}, true); err != nil {
			return failure
		}
	}
	return &TextFailure{Index: at, Text: text, Failure: &failure.Failure}
}

// mostTexts is the most texts in a request, as far as the server has shown.
func (c *Call) mostTexts() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.learned > 0 {
		return min(c.learned, c.BatchTexts)
	}
	return c.BatchTexts
}

// learn remembers that a request of more texts is refused.
func (c *Call) learn(texts int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.learned == 0 || texts < c.learned {
		c.learned = texts
	}
}
