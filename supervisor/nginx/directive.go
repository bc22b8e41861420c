package nginx

import (
	"iter"
	"strings"
)

// maxWords bounds what is kept of one directive; a server_name may be long.
const maxWords = 1024

// directives goes through the directives of a configuration file that end with
// a semicolon, with the depth of the block that they stand in. Words are cut as
// ngx_conf_read_token does. Blocks of Lua follow other rules: one with an
// unbalanced brace in a string may hide a directive that comes after it.
func directives(source string) iter.Seq2[int, []string] {
	return func(yield func(int, []string) bool) {
		var words []string
		depth := 0
		for {
			var t token
			if t, source = nextToken(source); t.kind == 0 {
				return
			}
			switch t.kind {
			case word:
				if words == nil {
					words = make([]string, 0, 4) // hardly any directive has more
				}
				if len(words) < maxWords {
					words = append(words, t.text)
				}
				continue
			case ';':
				if len(words) > 0 && !yield(depth, words) {
					return
				}
			case '{':
				depth++
			case '}':
				depth = max(0, depth-1)
			}
			words = nil
		}
	}
}

// findPID returns the argument of the `pid` directive of the main context, or
// "".
func findPID(source string) string {
	for depth, words := range directives(source) {
		if depth == 0 && len(words) == 2 && words[0] == "pid" {
			return words[1]
		}
	}
	return ""
}

// token is a word or, by its kind, one of ; { } or the end of the text (0).
type token struct {
	kind byte
	text string
}

const word = 'w'

const blanks = " \t\r\n"

// nextToken cuts the first token off and returns the rest.
func nextToken(source string) (token, string) {
	source = strings.TrimLeft(source, blanks)
	for strings.HasPrefix(source, "#") {
		_, source, _ = strings.Cut(source, "\n")
		source = strings.TrimLeft(source, blanks)
	}
	if source == "" {
		return token{}, ""
	}
	switch c := source[0]; c {
	case ';', '{', '}':
		return token{kind: c}, source[1:]
	case '"', '\'':
		n := wordEnd(source[1:], string(c))
		return token{word, plain(source[1 : 1+n])}, strings.TrimPrefix(source[1+n:], string(c))
	}
	n := wordEnd(source, blanks+";{")
	return token{word, plain(source[:n])}, source[n:]
}

// plain is a word without its backslashes. Hardly any word has one.
func plain(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	return unescape.Replace(text)
}

// wordEnd finds the first of the characters that ends a word. A backslash takes
// any meaning from the next character, and ${ belongs to a variable.
func wordEnd(source, ends string) int {
	for i := 0; i < len(source); i++ {
		switch c := source[i]; {
		case c == '\\':
			i++
		case c == '{' && i > 0 && source[i-1] == '$':
		case strings.IndexByte(ends, c) >= 0:
			return i
		}
	}
	return len(source)
}

var unescape = strings.NewReplacer(`\"`, `"`, `\'`, `'`, `\\`, `\`)
