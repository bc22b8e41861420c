package main

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// resultFiles are the names of an instance's file. EnvironmentFile= takes what
// %i gives for a pattern, see glob(7), in which a backslash is not itself: an
// instance whose escaped name has one needs the name without it, too.
func resultFiles(instance string) []string {
	name := escapeInstance(instance) + ".env"
	if plain := strings.ReplaceAll(name, `\`, ""); plain != name {
		return []string{name, plain}
	}
	return []string{name}
}

// resultText is what has happened, for EnvironmentFile=, see systemd.exec(5); a
// shell reads it in the same way.
func resultText(r *supervisor.Record) []byte {
	var out bytes.Buffer
	for _, v := range []struct{ key, value string }{
		{"INSTANCE", r.Instance},
		{"CYCLE", r.ID},
		{"RESULT", string(r.Result)},
		{"REASON", r.Reason},
		{"ORIGIN", string(r.Origin)},
		{"OLD_VERSION", r.Old.Version},
		{"NEW_VERSION", r.Successor.Version},
	} {
		fmt.Fprintf(&out, "NGINX_HOTSWAP_%s=\"%s\"\n", v.key, quoted.Replace(plainText(v.value)))
	}
	return out.Bytes()
}

// quoted escapes what means something between double quotes, for systemd and for
// a shell.
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`")

// resultLimit is far below what the kernel takes for one variable, 128 KiB:
// beyond that nothing would be started at all.
const resultLimit = 8 << 10

// plainText makes one line of valid text of anything: systemd refuses other
// encodings, and control characters are nothing for a mail or a terminal.
func plainText(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	if len(text) > resultLimit {
		text = strings.ToValidUTF8(text[:resultLimit], "") + "..."
	}
	return text
}
