package box

import (
	"os"
	"path/filepath"
)

// CacheDir is where things of a kind are kept that take long to make: an absolute
// path in the user's cache directory, which need not exist.
func CacheDir(kind string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		// A service has no HOME.
		cache = "/var/cache"
	}
	return filepath.Abs(filepath.Join(cache, "nginx-hotswap", kind))
}
