package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

const targetHelp = `  url=URL          http://HOST[:PORT]/PATH, required, without a comma
  kind=KIND        new (default), keepalive, download, stream or unix
  unix=PATH        connect to this socket instead of the URL's host
  clients=N        how many at once
  interval=TIME    each client's pause between requests or messages, such as 5ms
  rate=SIZE        bytes per second of a download (256KiB)
  status=CODE      expected status (200, of a stream 101)
  sha256=HEX       expected SHA-256 of the body
  size=SIZE        the body is that of "traffic content" for the URL's path
  hold=TIME        planned life of a stream (until the end)`

// parseTarget reads "key=value,key=value".
func parseTarget(text string) (traffic.Target, error) {
	var t traffic.Target
	for pair := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return t, fmt.Errorf("%q is not KEY=VALUE", pair)
		}
		if err := setKey(&t, key, value); err != nil {
			return t, err
		}
	}
	return t, nil
}

func setKey(t *traffic.Target, key, value string) (err error) {
	switch key {
	case "url":
		t.URL = value
	case "kind":
		t.Kind = traffic.Kind(value)
	case "unix":
		t.Unix = value
	case "clients":
		t.Clients, err = strconv.Atoi(value)
	case "interval":
		t.Interval, err = time.ParseDuration(value)
	case "rate":
		var n int64
		n, err = parseSize(value)
		t.Rate = int(n)
	case "status":
		t.ExpectStatus, err = strconv.Atoi(value)
	case "sha256":
		t.ExpectSHA256 = value
	case "size":
		t.Size, err = parseSize(value)
	case "hold":
		t.Hold, err = time.ParseDuration(value)
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", key, err)
	}
	return nil
}

// parseSize reads a number of bytes, with KiB or MiB behind it or bare.
func parseSize(text string) (int64, error) {
	unit := int64(1)
	if digits, ok := strings.CutSuffix(text, "KiB"); ok {
		text, unit = digits, 1<<10
	} else if digits, ok := strings.CutSuffix(text, "MiB"); ok {
		text, unit = digits, 1<<20
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return n * unit, err
}
