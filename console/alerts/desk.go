package alerts

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/console/store"
)

const (
	period     = 15 * time.Second // from look to look
	gather     = 30 * time.Second // what happens together is told together
	pause      = 10 * time.Minute // between letters to one channel, but for what is urgent
	letterSize = 20               // news one by one in a letter
	firstRetry = 30 * time.Second
	lastRetry  = time.Hour
)

// Options configures a Desk.
type Options struct {
	Store *store.DB // stays the caller's. Required.
	Post  Post
	// Write puts news into words for a channel; the Desk adds ID and Time.
	// Required.
	Write func(c store.Channel, news []store.News, more int) Letter
	// Certificates returns those of the edge in this process. Optional.
	Certificates func() []Certificate
	Location     *time.Location // of quiet hours; time.Local by default
	Logger       zerolog.Logger
}

// Certificate is a name with the end of its certificate.
type Certificate struct {
	Name     string
	NotAfter time.Time // zero without a certificate
	Wrong    bool      // browsers refuse it, or its renewal fails
}

// Desk looks for news and delivers it.
type Desk struct {
	options Options
	log     zerolog.Logger
	holder  string
	now     func() time.Time
}

// New returns a Desk that does not look yet.
func New(o Options) (*Desk, error) {
	if o.Store == nil || o.Write == nil {
		return nil, errors.New("alerts: no store, or nobody who writes")
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	return &Desk{options: o, log: o.Logger, holder: uuid.NewString(), now: time.Now}, nil
}

// Run looks and delivers until ctx ends, and returns nil then. What fails is
// logged and tried again.
func (d *Desk) Run(ctx context.Context) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		if err := d.turn(ctx); err != nil && ctx.Err() == nil {
			d.log.Error().Err(err).Msg("alerts could not be looked after")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// turn is one look and one round of deliveries, when no other console has the
// turn.
func (d *Desk) turn(ctx context.Context) error {
	now := d.now()
	mine, err := d.options.Store.Lease(ctx, "alerts", d.holder, now, now.Add(4*period))
	if err != nil || !mine {
		return err
	}
	channels, err := d.options.Store.EveryChannel(ctx)
	if err != nil || len(channels) == 0 {
		return err
	}
	return errors.Join(d.look(ctx, now), d.deliver(ctx, now, channels))
}

// deliver tells every channel what is due.
func (d *Desk) deliver(ctx context.Context, now time.Time, channels []store.Channel) error {
	for _, c := range channels {
		if now.Before(c.Next) {
			continue
		}
		waiting, err := d.options.Store.Waiting(ctx, c.ID, letterSize)
		if err != nil {
			return err
		}
		if !d.due(c, waiting.News, now) {
			continue
		}
		l := d.options.Write(c, waiting.News, waiting.More)
		// The same letter has the same name when it is tried again.
		l.ID = uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "%d/%d", c.ID, waiting.Last)).String()
		l.Time = now
		if err := d.options.Post.Deliver(ctx, c, l); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			wait := retry(c.Tries)
			d.log.Warn().Err(err).Int64("channel", c.ID).Dur("retry", wait).Msg("an alert could not be delivered")
			if err := d.options.Store.Undelivered(ctx, c.ID, Cause(err), now.Add(wait)); err != nil {
				return err
			}
			continue
		}
		if err := d.options.Store.Delivered(ctx, c.ID, waiting.Last, now); err != nil {
			return err
		}
		d.log.Info().Int64("channel", c.ID).Int("news", len(waiting.News)+waiting.More).Msg("an alert was delivered")
	}
	return nil
}

// due reports whether it is time to tell news to c.
func (d *Desk) due(c store.Channel, news []store.News, now time.Time) bool {
	if len(news) == 0 || now.Sub(news[0].At) < gather {
		return false
	}
	for _, n := range news {
		if n.Urgent {
			return true
		}
	}
	return now.Sub(c.Sent) >= pause && !quiet(c, now.In(d.options.Location))
}

// quiet reports whether nothing but what is urgent is told at this time.
func quiet(c store.Channel, now time.Time) bool {
	minute := now.Hour()*60 + now.Minute()
	if c.Quiet <= c.Loud {
		return c.Quiet <= minute && minute < c.Loud
	}
	return minute >= c.Quiet || minute < c.Loud
}

// retry is how long to wait after the given number of failures and one more.
func retry(failures int) time.Duration {
	wait := min(firstRetry<<min(failures, 10), lastRetry)
	return wait + rand.N(wait/4)
}

// Try sends c a letter at once, so that somebody sees whether it arrives.
func (d *Desk) Try(ctx context.Context, c store.Channel, l Letter) error {
	l.ID, l.Time = uuid.NewString(), d.now()
	return d.options.Post.Deliver(ctx, c, l)
}
