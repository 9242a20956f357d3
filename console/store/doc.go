// Package store keeps events, people and settings in one SQLite file, in pure
// Go: nothing has to be installed.
//
//	db, err := store.Open(ctx, filepath.Join(data, store.File))
//	defer db.Close()
//	page, err := db.Events(ctx, store.Query{Site: "shop", Limit: 50})
//
// It renders nothing, judges nothing and deletes nothing by itself: whoever
// owns the DB calls [DB.Trim]. Secrets reach it hashed: it never sees a
// password, a session's token or a link's.
//
// One process at a time may write; it holds a lock file beside the database.
// Others may read at any time, see [OpenReadOnly]. Inside a process every
// method is safe for concurrent use: writes queue for one connection, reads
// have their own and never wait for a write. An error that an operator can
// act on is a [*HintError].
package store
