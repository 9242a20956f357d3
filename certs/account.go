package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// accountKeys are where account i and its key lie: account 0 where certmagic
// and Caddy keep theirs.
func (a *authority) accountKeys(i int) (about, key string) {
	email := strings.ToLower(a.Email)
	user, _, _ := strings.Cut(email, "@")
	folder := email
	if email == "" {
		folder, user = "default", "default"
	}
	if i > 0 {
		folder = fmt.Sprintf("%s-%d", folder, i+1)
	}
	safe := certmagic.StorageKeys.Safe
	base := path.Join("acme", safe(a.key), "users", safe(folder), safe(user))
	return base + ".json", base + ".key"
}

// account returns account i, registered with the authority.
func (a *authority) account(ctx context.Context, i int) (acme.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.accounts[i] != nil {
		return *a.accounts[i], nil
	}
	about, _ := a.accountKeys(i)
	if err := a.storage.Lock(ctx, about); err != nil {
		return acme.Account{}, fmt.Errorf("lock account: %w", err)
	}
	defer func() { _ = a.storage.Unlock(context.WithoutCancel(ctx), about) }()
	account, err := a.loadAccount(ctx, i)
	if errors.Is(err, fs.ErrNotExist) {
		account, err = a.register(ctx, i)
	}
	if err != nil {
		return acme.Account{}, err
	}
	a.accounts[i] = &account
	return account, nil
}

func (a *authority) loadAccount(ctx context.Context, i int) (acme.Account, error) {
	about, key := a.accountKeys(i)
	var account acme.Account
	b, err := a.storage.Load(ctx, about)
	if err != nil {
		return account, readError(about, err)
	}
	if err := json.Unmarshal(b, &account); err != nil {
		return account, fmt.Errorf("read %s: %w", about, err)
	}
	if b, err = a.storage.Load(ctx, key); err != nil {
		return account, readError(key, err)
	}
	if account.PrivateKey, err = certmagic.PEMDecodePrivateKey(b); err != nil {
		return account, fmt.Errorf("read %s: %w", key, err)
	}
	return account, nil
}

func (a *authority) register(ctx context.Context, i int) (acme.Account, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		return acme.Account{}, err
	}
	account := acme.Account{PrivateKey: key, TermsOfServiceAgreed: true}
	if a.Email != "" {
		account.Contact = []string{"mailto:" + a.Email}
	}
	if a.KeyID != "" {
		if err := account.SetExternalAccountBinding(ctx, a.client.Client, acme.EAB{KeyID: a.KeyID, MACKey: a.MACKey}); err != nil {
			return acme.Account{}, fmt.Errorf("bind to external account: %w", err)
		}
	}
	if account, err = a.client.NewAccount(ctx, account); err != nil {
		return acme.Account{}, err
	}
	aboutName, keyName := a.accountKeys(i)
	about, err := json.MarshalIndent(account, "", "\t")
	if err != nil {
		return acme.Account{}, err
	}
	pem, err := certmagic.PEMEncodePrivateKey(key)
	if err != nil {
		return acme.Account{}, err
	}
	if err := a.storage.Store(ctx, keyName, pem); err != nil {
		return acme.Account{}, fmt.Errorf("write %s: %w", keyName, err)
	}
	if err := a.storage.Store(ctx, aboutName, about); err != nil {
		return acme.Account{}, fmt.Errorf("write %s: %w", aboutName, err)
	}
	a.log.Info().Str("authority", a.host()).Int("account", i+1).Msg("account registered")
	return account, nil
}

func (a *authority) forgetAccount(ctx context.Context, i int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accounts[i] = nil
	about, key := a.accountKeys(i)
	_ = a.storage.Delete(ctx, about)
	_ = a.storage.Delete(ctx, key)
}

// accountAt returns which account has an address.
func (a *authority) accountAt(ctx context.Context, location string) (int, bool) {
	if location == "" {
		return -1, false
	}
	for i := range a.accounts {
		if account, err := a.account(ctx, i); err == nil && account.Location == location {
			return i, true
		}
	}
	return -1, false
}
