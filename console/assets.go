package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"
)

//go:embed assets/*
var assetFiles embed.FS

// assets are the style, the script and the pictures. The address of each has
// its hash in it, so that browsers may keep it for ever.
type assets map[string]asset

type asset struct {
	hash string
	body []byte
}

func loadAssets() (assets, error) {
	files, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, err
	}
	all := assets{}
	for _, f := range files {
		body, err := assetFiles.ReadFile("assets/" + f.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(body)
		all[f.Name()] = asset{hex.EncodeToString(sum[:6]), body}
	}
	return all, nil
}

func (a assets) path(name string) string { return "/assets/" + a[name].hash + "/" + name }

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// ServeHTTP serves /assets/{hash}/{name}.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	file, ok := a[name]
	if !ok || file.hash != r.PathValue("hash") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", assetTypes[path.Ext(name)])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(file.body))
}
