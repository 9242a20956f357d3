package providers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-acme/lego/v5/challenge"
	lego "github.com/go-acme/lego/v5/challenge/dns01"
	"github.com/go-acme/lego/v5/providers/dns/beget"
	"github.com/go-acme/lego/v5/providers/dns/cloudflare"
	"github.com/go-acme/lego/v5/providers/dns/digitalocean"
	"github.com/go-acme/lego/v5/providers/dns/gandiv5"
	"github.com/go-acme/lego/v5/providers/dns/hetzner"
	"github.com/go-acme/lego/v5/providers/dns/netcup"
	"github.com/go-acme/lego/v5/providers/dns/ovh"
	"github.com/go-acme/lego/v5/providers/dns/pdns"
	"github.com/go-acme/lego/v5/providers/dns/porkbun"
	"github.com/go-acme/lego/v5/providers/dns/regru"
	"github.com/go-acme/lego/v5/providers/dns/timewebcloud"
	"github.com/go-acme/lego/v5/providers/dns/webnamesru"
	"github.com/go-acme/lego/v5/providers/dns/yandex360"

	"github.com/qorgan/qorgan/certs/dns01"
)

// requestTime bounds one request to a service.
const requestTime = 30 * time.Second

// Resolve has the services' packages ask resolvers which zone a name lies in;
// they have one list for all. Without it they ask the system's.
func Resolve(resolvers []string) {
	lego.SetDefaultClient(lego.NewClient(&lego.Options{RecursiveNameservers: resolvers, Timeout: 5 * time.Second}))
}

// service is a provider of lego's. It finds name, zone and value by itself, in
// the same way.
type service struct{ challenge.Provider }

// Present places a record. The token tells records apart.
func (p service) Present(ctx context.Context, r dns01.Record) error {
	return p.Provider.Present(ctx, r.Domain, r.Value, r.KeyAuth)
}

// CleanUp takes it away.
func (p service) CleanUp(ctx context.Context, r dns01.Record) error {
	return p.Provider.CleanUp(ctx, r.Domain, r.Value, r.KeyAuth)
}

// open makes a provider of a package's constructor and configuration.
func open[C any, P challenge.Provider](make func(C) (P, error), c C) (dns01.Provider, error) {
	p, err := make(c)
	if err != nil {
		return nil, &SettingError{"provider", err.Error(), "what the service's own documentation says"}
	}
	return service{p}, nil
}

// byToken is a service that wants one token.
func byToken(name string, with func(token string) (dns01.Provider, error)) kind {
	return kind{name, []setting{secret("token")}, func(s Settings) (dns01.Provider, error) { return with(s["token"]) }}
}

func client() *http.Client { return &http.Client{Timeout: requestTime} }

// services are those reached through lego, by name.
func services() []kind {
	return []kind{
		{"beget", []setting{key("user", "the account's name"), secret("password")}, func(s Settings) (dns01.Provider, error) {
			c := beget.NewDefaultConfig()
			c.Username, c.Password, c.HTTPClient = s["user"], s["password"], client()
			return open(beget.NewDNSProviderConfig, c)
		}},
		byToken("cloudflare", func(token string) (dns01.Provider, error) {
			c := cloudflare.NewDefaultConfig()
			c.AuthToken, c.HTTPClient = token, client()
			return open(cloudflare.NewDNSProviderConfig, c)
		}),
		byToken("digitalocean", func(token string) (dns01.Provider, error) {
			c := digitalocean.NewDefaultConfig()
			c.AuthToken, c.HTTPClient = token, client()
			return open(digitalocean.NewDNSProviderConfig, c)
		}),
		byToken("gandi", func(token string) (dns01.Provider, error) {
			c := gandiv5.NewDefaultConfig()
			c.PersonalAccessToken, c.HTTPClient = token, client()
			return open(gandiv5.NewDNSProviderConfig, c)
		}),
		byToken("hetzner", func(token string) (dns01.Provider, error) {
			c := hetzner.NewDefaultConfig()
			c.APIToken, c.HTTPClient = token, client()
			return open(hetzner.NewDNSProviderConfig, c)
		}),
		{"netcup", []setting{key("customer", "the customer's number"), secret("key"), secret("password")}, func(s Settings) (dns01.Provider, error) {
			c := netcup.NewDefaultConfig()
			c.Customer, c.Key, c.Password, c.HTTPClient = s["customer"], s["key"], s["password"], client()
			return open(netcup.NewDNSProviderConfig, c)
		}},
		{"ovh", []setting{key("endpoint", "ovh-eu"), secret("application_key"), secret("application_secret"), secret("consumer_key")}, func(s Settings) (dns01.Provider, error) {
			c := ovh.NewDefaultConfig()
			c.APIEndpoint, c.ApplicationKey, c.ApplicationSecret, c.ConsumerKey, c.HTTPClient = s["endpoint"], s["application_key"], s["application_secret"], s["consumer_key"], client()
			return open(ovh.NewDNSProviderConfig, c)
		}},
		{"porkbun", []setting{secret("key"), secret("secret_key")}, func(s Settings) (dns01.Provider, error) {
			c := porkbun.NewDefaultConfig()
			c.APIKey, c.SecretAPIKey, c.HTTPClient = s["key"], s["secret_key"], client()
			return open(porkbun.NewDNSProviderConfig, c)
		}},
		{"powerdns", []setting{key("url", "http://127.0.0.1:8081"), secret("key"), may("server", "localhost")}, powerDNS},
		{"regru", []setting{key("user", "the account's name"), secret("password")}, func(s Settings) (dns01.Provider, error) {
			c := regru.NewDefaultConfig()
			c.Username, c.Password, c.HTTPClient = s["user"], s["password"], client()
			return open(regru.NewDNSProviderConfig, c)
		}},
		byToken("timeweb", func(token string) (dns01.Provider, error) {
			c := timewebcloud.NewDefaultConfig()
			c.AuthToken, c.HTTPClient = token, client()
			return open(timewebcloud.NewDNSProviderConfig, c)
		}),
		{"webnames", []setting{secret("key")}, func(s Settings) (dns01.Provider, error) {
			c := webnamesru.NewDefaultConfig()
			c.APIKey, c.HTTPClient = s["key"], client()
			return open(webnamesru.NewDNSProviderConfig, c)
		}},
		{"yandex360", []setting{key("organization", "the organization's number"), secret("token")}, func(s Settings) (dns01.Provider, error) {
			id, err := strconv.ParseInt(s["organization"], 10, 64)
			if err != nil {
				return nil, &SettingError{"organization", fmt.Sprintf("%q is no number", s["organization"]), "the organization's number"}
			}
			c := yandex360.NewDefaultConfig()
			c.OrgID, c.OAuthToken, c.HTTPClient = id, s["token"], client()
			return open(yandex360.NewDNSProviderConfig, c)
		}},
	}
}

func powerDNS(s Settings) (dns01.Provider, error) {
	if err := address(s, "url"); err != nil {
		return nil, err
	}
	at, err := url.Parse(s["url"])
	if err != nil {
		return nil, &SettingError{"url", fmt.Sprintf("%q is no address", s["url"]), "http://127.0.0.1:8081"}
	}
	c := pdns.NewDefaultConfig()
	c.Host, c.APIKey, c.HTTPClient = at, s["key"], client()
	c.APIVersion = 1 // otherwise it asks at once
	if s["server"] != "" {
		c.ServerName = s["server"]
	}
	return open(pdns.NewDNSProviderConfig, c)
}
