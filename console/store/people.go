package store

import (
	"context"
	"fmt"
	"time"
)

// Role is what a person may do with what he sees.
type Role string

// The roles. An owner reads, and answers for his sites: he says what was a
// mistake. An operator acts. An analyst sees, and advises. An administrator
// does all of it, and says who else may.
const (
	Owner         Role = "owner"
	Operator      Role = "operator"
	Analyst       Role = "analyst"
	Administrator Role = "administrator"
)

// Roles lists the roles, from the least to the most.
var Roles = []Role{Owner, Analyst, Operator, Administrator}

// Person is someone who may sign in.
type Person struct {
	ID       int64
	Name     string // unique without regard to case
	Password string // argon2id in PHC form; empty until one was chosen
	Language string // BCP 47; empty follows the browser
	Role     Role
	Tenant   int64 // whose he is: he sees this tenant and those below it
	Created  time.Time

	branch int64
}

// Scope returns what the person may see.
func (p Person) Scope() Scope {
	return Scope{some: p.ID != 0, at: place{p.branch, p.Tenant}}
}

const personColumns = `p.id, p.name, p.password, p.language, p.role, p.branch, p.tenant, p.created`

func (p *Person) fields(created *int64) []any {
	return []any{&p.ID, &p.Name, &p.Password, &p.Language, &p.Role, &p.branch, &p.Tenant, created}
}

// EnsurePerson returns the person with that name and makes one, without a
// password, when there is none: an administrator of the desk.
func (db *DB) EnsurePerson(ctx context.Context, name string) (Person, error) {
	_, err := db.exec(ctx, `INSERT INTO people (name, password, language, created) VALUES (?, '', '', ?) ON CONFLICT DO NOTHING`,
		name, time.Now().Unix())
	if err != nil {
		return Person{}, fmt.Errorf("add person: %w", err)
	}
	return db.Person(ctx, name)
}

// Person returns the person with that name, or ErrNotFound.
func (db *DB) Person(ctx context.Context, name string) (Person, error) {
	var p Person
	var created int64
	err := db.read.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people p WHERE name = ?`, name).Scan(p.fields(&created)...)
	if err != nil {
		return Person{}, fmt.Errorf("person: %w", missing(err))
	}
	p.Created = time.Unix(created, 0).UTC()
	return p, nil
}

// People returns how many people could sign in with a password.
func (db *DB) People(ctx context.Context) (int, error) {
	var n int
	err := db.read.QueryRowContext(ctx, `SELECT count(*) FROM people WHERE password <> ''`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count people: %w", err)
	}
	return n, nil
}

// SetPassword stores a password's hash and ends every session of that person
// but the one with token keep.
func (db *DB) SetPassword(ctx context.Context, person int64, hash string, keep []byte) error {
	n, err := db.exec(ctx, `UPDATE people SET password = ? WHERE id = ?`, hash, person)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err == nil {
		_, err = db.exec(ctx, `DELETE FROM sessions WHERE person = ? AND token IS DISTINCT FROM ?`, person, keep)
	}
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}

// SetLanguage stores the language a person reads.
func (db *DB) SetLanguage(ctx context.Context, person int64, language string) error {
	if _, err := db.exec(ctx, `UPDATE people SET language = ? WHERE id = ?`, language, person); err != nil {
		return fmt.Errorf("set language: %w", err)
	}
	return nil
}
