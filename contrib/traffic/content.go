package traffic

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
)

// Content returns size bytes that depend on path alone, for a file that a
// [Download] fetches: server and client make the same without exchanging it. The
// bytes are those of ChaCha8 (C2SP chacha8rand) seeded with the path's SHA-256,
// so a piece that is missing, doubled or moved changes the sum.
func Content(path string, size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8(sha256.Sum256([]byte(path))), size)
}

// ContentSHA256 returns the SHA-256 of [Content] in hexadecimal.
func ContentSHA256(path string, size int64) string {
	sum := sha256.New()
	io.Copy(sum, Content(path, size)) // neither end can fail
	return hex.EncodeToString(sum.Sum(nil))
}
