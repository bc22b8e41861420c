package floor_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/bench/floor"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

func TestUpgrade(t *testing.T) {
	n := nginxtest.Start(t, traffic.Site{Workers: 3})
	old := n.PID(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a, err := floor.Upgrade(ctx, old)
	if err != nil {
		t.Fatal(err)
	}
	if a.Workers != 3 || a.Successor == old || n.PID(t) != a.Successor {
		t.Errorf("%+v of master %d; the pid file names %d", a, old, n.PID(t))
	}
	if masters := n.Masters(t); !slices.Equal(masters, []int{a.Successor}) {
		t.Errorf("masters %v", masters)
	}
	order := []time.Time{a.USR2, a.Ready, a.Shifted, a.Gone}
	if !slices.IsSortedFunc(order, time.Time.Compare) {
		t.Errorf("not in order: %v", order)
	}
}

func TestUpgradeNobody(t *testing.T) {
	if a, err := floor.Upgrade(t.Context(), 1<<30); err == nil {
		t.Errorf("%+v of a process that is not there", a)
	}
}
