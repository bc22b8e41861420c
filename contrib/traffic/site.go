package traffic

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Site is an nginx server with something for every kind of client: "/" answers 200
// with a short body, "/big" is [Content] for downloads, "/stream" leads to an
// [Upstream], and a unix socket listens beside TCP.
type Site struct {
	Dir      string // absolute; all files of the server are below it
	Listen   string // HOST:PORT on loopback
	Unix     string // path of the unix listener; empty for none
	Upstream string // Upstream.Addr; empty for no "/stream"
	User     string // of the workers, only for a master that runs as root; empty for nginx's default
	Workers  int    // default 2
	BigSize  int64  // bytes of "/big"; 0 for none
	Extra    string // further directives of the main context, each with its semicolon
}

// ConfigPath is where [Site.Write] puts the configuration.
func (s Site) ConfigPath() string { return filepath.Join(s.Dir, "nginx.conf") }

// PIDPath is where nginx writes its pid.
func (s Site) PIDPath() string { return filepath.Join(s.Dir, "nginx.pid") }

// ErrorLogPath is where nginx writes its log, from notice up.
func (s Site) ErrorLogPath() string { return filepath.Join(s.Dir, "error.log") }

// Args returns the arguments for nginx that run the site. -e, without which nginx
// opens its compiled-in log first, exists since 1.19.5.
func (s Site) Args() []string {
	return []string{"-p", s.Dir, "-e", s.ErrorLogPath(), "-c", s.ConfigPath()}
}

// Write makes the site's directories, its configuration and its files.
func (s Site) Write() error {
	if err := os.MkdirAll(filepath.Join(s.Dir, "html"), 0o755); err != nil {
		return fmt.Errorf("cannot write the site: %w", err)
	}
	files := map[string]io.Reader{
		s.ConfigPath(): strings.NewReader(NginxConfig(s)),
		filepath.Join(s.Dir, "html", "index.html"): strings.NewReader("<!doctype html><title>site</title><p>It serves.\n"),
	}
	if s.BigSize > 0 {
		files[filepath.Join(s.Dir, "html", "big")] = Content("/big", s.BigSize)
	}
	for path, content := range files {
		if err := writeFile(path, content); err != nil {
			return fmt.Errorf("cannot write the site: %w", err)
		}
	}
	return nil
}

func writeFile(path string, content io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// Targets returns one target for each kind of client that the site has something
// for, with the default numbers.
func (s Site) Targets() []Target {
	base := "http://" + s.Listen
	targets := []Target{
		{Kind: New, URL: base + "/"},
		{Kind: KeepAlive, URL: base + "/"},
	}
	if s.BigSize > 0 {
		targets = append(targets, Target{Kind: Download, URL: base + "/big", Size: s.BigSize})
	}
	if s.Upstream != "" {
		targets = append(targets, Target{Kind: Stream, URL: base + "/stream"})
	}
	if s.Unix != "" {
		targets = append(targets, Target{Kind: Unix, URL: "http://localhost/", Unix: s.Unix})
	}
	return targets
}
