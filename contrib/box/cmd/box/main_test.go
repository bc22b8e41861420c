package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"box": main})
}

// The stories in testdata/script. Those that boot a machine begin with "[!box] skip".
func TestScript(t *testing.T) {
	may := box.Check()
	if may != nil && os.Getenv("CI") != "" {
		t.Fatal(may)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// The stories run at the same time, also in other processes.
			name := fmt.Sprintf("story-%d-%s", os.Getpid(), filepath.Base(env.WorkDir))
			env.Setenv("NAME", name)
			env.Defer(func() {
				// Only a story that has failed leaves a machine.
				if b, err := box.Attach(name); err == nil {
					_ = b.Down()
				}
			})
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "box" {
				return false, os.ErrInvalid
			}
			return may == nil, nil
		},
	})
}
