// Package store keeps events, people and settings: in one SQLite file, in pure
// Go, where nothing has to be installed; or in a PostgreSQL that several
// consoles share. The SQL is one for both; what each does in its own way is an
// engine.
//
//	db, err := store.Open(ctx, filepath.Join(data, store.File))
//	defer db.Close()
//	page, err := db.Events(ctx, store.Query{Site: "shop", Limit: 50})
//
// It renders nothing, judges nothing and deletes nothing by itself: whoever
// owns the DB calls [DB.Trim]. Secrets reach it hashed: it never sees a
// password, a session's token or a link's.
//
// A file is written by one process at a time, which holds a lock file beside
// it; others may read at any time, see [OpenReadOnly]. Inside a process every
// method is safe for concurrent use: writes to a file queue for one connection,
// reads have their own and never wait for a write. Of a PostgreSQL any number of
// processes may be at work in one store. An error that an operator can act on is
// a [*HintError].
package store
