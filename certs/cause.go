package certs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"github.com/rs/zerolog"
	"golang.org/x/net/publicsuffix"

	"github.com/qorgan/qorgan/certs/dns01"
)

// Cause is why a name has no new certificate, in a word that a page can
// translate.
type Cause string

// Causes, from the owner's to ours.
const (
	CauseDNS         Cause = "dns"         // the authority found no address for the name
	CauseUnreached   Cause = "unreached"   // the authority could not reach the edge under the name
	CauseElsewhere   Cause = "elsewhere"   // something else answers under the name, or it does not lead here
	CauseCAA         Cause = "caa"         // the domain's CAA record forbids the authority
	CauseNameRefused Cause = "refused"     // the authority gives this name no certificate
	CauseLimit       Cause = "limit"       // the authority's limit is reached
	CauseOwnLimit    Cause = "own-limit"   // our limit for names that visitors bring is reached
	CauseDown        Cause = "down"        // the authority can not be reached
	CauseProvider    Cause = "provider"    // the DNS provider did not place a record
	CauseRecord      Cause = "record"      // a record's place was not found, or name servers do not show it
	CauseAsk         Cause = "ask"         // the hoster's address gave no usable answer
	CauseDenied      Cause = "denied"      // the hoster's address said no
	CauseStorage     Cause = "storage"     // the storage can not be read or written
	CauseFile        Cause = "file"        // the owner's own file can not be used
	CauseEnds        Cause = "ends"        // the owner's own file ends soon, and nobody has replaced it
	CauseOverdue     Cause = "overdue"     // it should have been renewed by now
	CauseStopped     Cause = "interrupted" // the edge stopped
	CauseOther       Cause = "other"       // see the error
)

var (
	errNotServed   = errors.New("name is not served here")
	errUnreachable = errors.New("the authority can not be reached")
	errElsewhere   = errors.New("the name does not lead here")
	errDenied      = errors.New("the address under tls.ask says no")
	errNoAnswer    = errors.New("the address under tls.ask gives no usable answer")
	errOwnLimit    = errors.New("too many new names")
)

// limitedError is an authority's refusal for now.
type limitedError struct {
	err     error
	after   time.Duration // 0: it did not say
	account bool          // it is about the account, not about the name
}

func (e *limitedError) Error() string { return e.err.Error() }
func (e *limitedError) Unwrap() error { return e.err }

// pausedError is a limit that was not tried again.
type pausedError struct{ until time.Time }

func (e *pausedError) Error() string {
	return "the authority asks us to wait until " + e.until.UTC().Format(time.RFC3339)
}

// causeOf finds the word for an error of issuing.
func causeOf(err error) Cause {
	var limited *limitedError
	var paused *pausedError
	var storage *storageError
	var provider *dns01.ProviderError
	var record *dns01.RecordError
	switch {
	case errors.Is(err, context.Canceled):
		return CauseStopped
	case errors.As(err, &provider):
		return CauseProvider
	case errors.As(err, &record):
		return CauseRecord
	case errors.As(err, &limited), errors.As(err, &paused):
		return CauseLimit
	case errors.Is(err, errUnreachable):
		return CauseDown
	case errors.Is(err, errElsewhere):
		return CauseElsewhere
	case errors.Is(err, errDenied):
		return CauseDenied
	case errors.Is(err, errNoAnswer):
		return CauseAsk
	case errors.Is(err, errOwnLimit):
		return CauseOwnLimit
	case errors.As(err, &storage), errors.Is(err, errSealed):
		return CauseStorage
	}
	if p, ok := problem(err); ok {
		return causeOfProblem(p)
	}
	if errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "performing request") {
		return CauseDown
	}
	return CauseOther
}

// causeByRecords is causeOf of a name proved by records: where a name leads is
// no cause there.
func causeByRecords(err error) Cause {
	switch c := causeOf(err); c {
	case CauseDNS, CauseUnreached, CauseElsewhere:
		return CauseRecord
	default:
		return c
	}
}

// isOurs reports whether no other authority would do better.
func isOurs(err error) bool {
	c := causeOf(err)
	return c == CauseProvider || c == CauseRecord
}

func causeOfProblem(p acme.Problem) Cause {
	switch p.Type {
	case acme.ProblemTypeDNS:
		return CauseDNS
	case acme.ProblemTypeConnection, acme.ProblemTypeTLS:
		return CauseUnreached
	case acme.ProblemTypeUnauthorized, acme.ProblemTypeIncorrectResponse:
		return CauseElsewhere
	case acme.ProblemTypeCAA:
		return CauseCAA
	case acme.ProblemTypeRejectedIdentifier, acme.ProblemTypeUnsupportedIdentifier:
		return CauseNameRefused
	case acme.ProblemTypeServerInternal:
		return CauseDown
	}
	if p.Status >= 500 {
		return CauseDown
	}
	return CauseOther
}

// retryIn is how long a name whose order failed count times in a row is left
// alone: authorities allow five failures of a name in an hour.
func retryIn(count int) time.Duration {
	steps := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour}
	return steps[min(max(count, 1), len(steps))-1]
}

// registered returns the part of name that somebody registered: example.kz of
// www.example.kz, and the name itself where there is none.
func registered(name string) string {
	name = strings.TrimPrefix(name, "*.")
	if domain, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return domain
	}
	return name
}

// notYetError says when a name may be tried again.
type notYetError struct {
	name string
	last failure
}

func (e *notYetError) Error() string {
	return fmt.Sprintf("no certificate for %s before %s: %s", e.name, e.last.Next.UTC().Format(time.RFC3339), e.last.Error)
}

// newSlog hands the protocol library's lines on as our debug lines.
func newSlog(log zerolog.Logger) *slog.Logger { return slog.New(zerolog.NewSlogHandler(log)) }
