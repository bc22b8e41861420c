package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
)

// What a package manager is told.
func TestHookCode(t *testing.T) {
	for _, tt := range []struct {
		origin     supervisor.Origin
		fails      bool
		code, want int
	}{
		{supervisor.OriginDpkg, false, supervisor.ExitOK, supervisor.ExitOK},
		{supervisor.OriginDpkg, false, supervisor.ExitRolledBack, supervisor.ExitOK},
		{supervisor.OriginDpkg, true, supervisor.ExitRolledBack, supervisor.ExitRolledBack},
		{supervisor.OriginDpkg, true, supervisor.ExitRejected, supervisor.ExitRejected},
		{supervisor.OriginDpkg, true, supervisor.ExitDeferred, supervisor.ExitOK},
		{supervisor.OriginDpkg, true, supervisor.ExitNotSwappable, supervisor.ExitNotSwappable},
		{supervisor.OriginNeedrestart, false, supervisor.ExitNotSwappable, supervisor.ExitNotSwappable},
		{supervisor.OriginInitscript, false, supervisor.ExitNotSwappable, supervisor.ExitNotSwappable},
		{supervisor.OriginRPM, true, supervisor.ExitNotSwappable, supervisor.ExitOK},
		{supervisor.OriginRPM, false, supervisor.ExitStuck, supervisor.ExitOK},
		{supervisor.OriginNeedrestart, true, supervisor.ExitFailure, supervisor.ExitFailure},
		{supervisor.OriginInitscript, false, supervisor.ExitRolledBack, supervisor.ExitRolledBack},
		{supervisor.OriginInitscript, false, supervisor.ExitDeferred, supervisor.ExitOK},
	} {
		if got := (hook{origin: tt.origin, fails: tt.fails}).code(tt.code); got != tt.want {
			t.Errorf("%+v: got %d", tt, got)
		}
	}
}

// What a package manager is told where nobody could be asked.
func TestHookFailure(t *testing.T) {
	broken := errors.New("nginx-hotswap.conf: [Upgrade] SoakSec=: not a time span")
	for name, tt := range map[string]struct {
		origin supervisor.Origin
		fails  bool
		err    error
		want   int
	}{
		"a mistake in the configuration":                {supervisor.OriginDpkg, false, broken, supervisor.ExitOK},
		"the same, rpm":                                 {supervisor.OriginRPM, false, broken, supervisor.ExitOK},
		"the same, PackageResult=fail":                  {supervisor.OriginDpkg, true, broken, supervisor.ExitFailure},
		"the same, an init script":                      {supervisor.OriginInitscript, false, broken, supervisor.ExitFailure},
		"an instance that is not ours":                  {supervisor.OriginNeedrestart, false, unknownInstance("nginx", []string{"nginx@blog"}), supervisor.ExitNotSwappable},
		"none is ours":                                  {supervisor.OriginDpkg, false, unknownInstance("nginx", nil), supervisor.ExitNotSwappable},
		"the daemon does not answer":                    {supervisor.OriginDpkg, false, bus.ErrNoAnswer, supervisor.ExitOK},
		"it does not answer, PackageResult=fail":        {supervisor.OriginDpkg, true, fmt.Errorf("asked: %w", bus.ErrNoAnswer), supervisor.ExitOK},
		"it does not answer, an init script":            {supervisor.OriginInitscript, false, bus.ErrNoAnswer, supervisor.ExitFailure},
		"no time is left, PackageResult=fail":           {supervisor.OriginNeedrestart, true, errHookTime, supervisor.ExitOK},
		"the daemon ends meanwhile":                     {supervisor.OriginDpkg, false, bus.ErrNoDaemon, supervisor.ExitOK},
		"the daemon ends meanwhile, PackageResult=fail": {supervisor.OriginDpkg, true, bus.ErrNoDaemon, supervisor.ExitFailure},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (hook{origin: tt.origin, fails: tt.fails}).failure(tt.err); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
