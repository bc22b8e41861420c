package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// killedVariable makes the test binary a supervisor in whose cycle a master is
// killed: the points of a step are those of a process.
const killedVariable = "NGINX_HOTSWAP_TEST_KILLED"

// killPlan says what that supervisor looks after, and which master dies where.
type killPlan struct {
	crashPlan
	Role string
}

func init() {
	if text := os.Getenv(killedVariable); text != "" {
		killMaster(text)
	}
}

// killMaster runs an upgrade, or one that is taken back, to its end, whatever
// that is.
func killMaster(text string) {
	var plan killPlan
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		panic(err)
	}
	s := plan.supervisor(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if plan.Phase.IsWayBack() {
		s.instance.Upgrade.SoakSec = time.Minute // time to ask for it
	}
	killed := make(chan struct{})
	failpoint = func(phase Phase, point string) {
		if phase == plan.Phase && point == plan.Point {
			plan.kill(s.snapshot())
			close(killed)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if plan.Phase.IsWayBack() {
		for s.snapshot().phase != Soaking && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		_, _ = s.Do(ctx, Request{Action: ActionRollback, Origin: OriginCLI, Wait: WaitDone})
	}
	for plan.Store.Last("test") == nil && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended
	select {
	case <-killed:
		os.Exit(0)
	default:
		os.Exit(3) // the point was never reached
	}
}

// kill returns when the master is dead. Right after USR2 nobody has seen the
// successor yet.
func (p killPlan) kill(v view) {
	id := v.main
	if p.Role == "successor" {
		if id = v.successor; id == nil {
			id = firstSuccessor(*v.main)
		}
	}
	if p.Phase == Starting && p.Point == afterAct {
		firstSuccessor(*v.main) // without old there is none before
	}
	master, err := nginx.OpenID(*id)
	if err != nil {
		panic(err)
	}
	defer master.Close()
	if err := master.Signal(syscall.SIGKILL); err != nil {
		panic(err)
	}
	<-master.Exited()
}

func firstSuccessor(old nginx.ID) *nginx.ID {
	for {
		tree, err := nginx.ReadTree(old)
		if err != nil {
			panic(err)
		}
		if found := tree.Successors(); len(found) > 0 {
			return &found[0].ID
		}
	}
}

// Who serves in the end.
const (
	oldServes       = "old"
	successorServes = "successor"
	nobodyServes    = "nobody" // but workers without a master
)

// kills has a row for every point at which there is something to kill. An old
// master that is gone before Retiring leaves no way back, and one that is
// killed after the successor was told to go leaves no master at all: nobody but
// a person may start one.
var kills = []struct {
	phase  Phase
	point  string
	role   string
	result Result
	serves string
}{
	{Starting, afterCondition, "successor", RolledBack, oldServes},
	{Shifting, beforeAct, "successor", RolledBack, oldServes},
	{Shifting, afterCondition, "successor", RolledBack, oldServes},
	{Soaking, beforeAct, "successor", RolledBack, oldServes},
	{Soaking, afterCondition, "successor", RolledBack, oldServes},
	{Draining, beforeAct, "successor", RolledBack, oldServes},
	{Draining, afterCondition, "successor", RolledBack, oldServes},
	{Retiring, beforeAct, "successor", RolledBack, oldServes},
	{Retiring, afterAct, "successor", Lost, nobodyServes},
	{Retiring, afterCondition, "successor", Upgraded, nobodyServes},
	{Reviving, beforeAct, "successor", RolledBack, oldServes},
	{Reviving, afterCondition, "successor", RolledBack, oldServes},
	{Returning, beforeAct, "successor", RolledBack, oldServes},
	{Returning, afterCondition, "successor", RolledBack, oldServes},
	{Dismissing, beforeAct, "successor", RolledBack, oldServes},

	{Starting, afterAct, "old", Lost, successorServes},
	{Starting, afterCondition, "old", Lost, successorServes},
	{Shifting, beforeAct, "old", Lost, successorServes},
	{Shifting, afterCondition, "old", Upgraded, successorServes},
	{Soaking, beforeAct, "old", Upgraded, successorServes},
	{Soaking, afterCondition, "old", Upgraded, successorServes},
	{Draining, beforeAct, "old", Upgraded, successorServes},
	{Draining, afterCondition, "old", Upgraded, successorServes},
	{Retiring, beforeAct, "old", Upgraded, successorServes},
	{Reviving, beforeAct, "old", Lost, successorServes},
	{Reviving, afterCondition, "old", Lost, successorServes},
	{Returning, beforeAct, "old", Lost, successorServes},
	{Returning, afterCondition, "old", Lost, successorServes},
	{Dismissing, beforeAct, "old", Lost, successorServes},
	{Dismissing, afterAct, "old", Lost, nobodyServes},
	{Dismissing, afterCondition, "old", Lost, nobodyServes},
	{Restoring, beforeAct, "old", Lost, nobodyServes},
	{Restoring, afterCondition, "old", Lost, nobodyServes},
}

// TestKilledMasters kills a master by SIGKILL at every point at which there is
// something to kill. What it leaves behind goes on serving, so it costs no
// request; and it must not go on for ever beside another generation.
func TestKilledMasters(t *testing.T) {
	nginxtest.Distribution(t)
	for _, tt := range kills {
		t.Run(string(tt.phase)+"/"+tt.point+"/"+tt.role, func(t *testing.T) {
			t.Parallel()
			sock := shortDir(t)
			n := nginxtest.Start(t, traffic.Site{Unix: filepath.Join(sock, "http")})
			dir := t.TempDir()
			plan := killPlan{crashPlan{PIDFile: n.PIDPath(), Phase: tt.phase, Point: tt.point,
				Store: Store{filepath.Join(dir, "run"), filepath.Join(dir, "lib")}}, tt.role}
			// The first attach is over: what comes now is a new binary.
			if err := plan.Store.SaveAttachment("test", Attachment{}); err != nil {
				t.Fatal(err)
			}
			load, err := traffic.Start(traffic.Config{Targets: quiet(n.Targets())})
			if err != nil {
				t.Fatal(err)
			}
			newer, version := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, newer)
			plan.carryOut(t)
			if last := plan.Store.Last("test"); last == nil || last.Result != tt.result {
				t.Errorf("got %+v, want %s", last, tt.result)
			}
			switch tt.serves {
			case oldServes:
				servesAlone(t, n, n.Version, func(master int) bool { return master == n.Master })
			case successorServes:
				servesAlone(t, n, version, func(master int) bool { return master != n.Master })
			default:
				if masters := n.Masters(t); len(masters) > 0 {
					nginxtest.Eventually(t, "who was told to go is gone", func() bool { return len(n.Masters(t)) == 0 })
				}
			}
			lossless(t, load.Stop(), tt.serves)
			if left := leftovers(n, sock); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// lossless allows for what a successor that goes after old does to nobody's
// workers: it unlinks the unix listeners at its exit.
func lossless(t *testing.T, r *traffic.Report, serves string) {
	t.Helper()
	if serves == nobodyServes {
		r.Failures = slices.DeleteFunc(r.Failures, func(f traffic.Failure) bool {
			return f.Client == traffic.Unix && f.Kind == traffic.ConnectRefused
		})
	}
	if len(r.Failures) > 0 || r.Total.OK == 0 {
		t.Errorf("of %d requests failed %+v", r.Total.Requests, r.Failures)
	}
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// carryOut runs the plan in a process of its own, to the end of the cycle.
func (p killPlan) carryOut(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), killedVariable+"="+string(text))
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}

// servesAlone checks that one master with its workers is all that accepts, and
// that the pid file names it.
func servesAlone(t *testing.T, n *nginxtest.Nginx, version string, right func(master int) bool) {
	t.Helper()
	var masters []int
	var strange []string
	alone := func() bool {
		masters = n.Masters(t)
		if len(masters) != 1 {
			return false
		}
		p, err := nginx.Open(masters[0])
		if err != nil {
			return false
		}
		defer p.Close()
		tree, err := nginx.ReadTree(p.ID)
		if err != nil {
			return false
		}
		strange = orphansOf(n, tree)
		return len(tree.With(nginx.RoleWorker)) == n.Workers && len(tree.With(nginx.RoleStarting)) == 0 && len(strange) == 0
	}
	for end := time.Now().Add(time.Minute); !alone(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("masters %v, workers without a master: %v", masters, strange)
			return
		}
	}
	if !right(masters[0]) || masters[0] != n.PID(t) {
		t.Errorf("master %d serves, the first was %d, the pid file names %d", masters[0], n.Master, n.PID(t))
	}
	build, err := nginx.ReadVersion(t.Context(), "/proc/"+strconv.Itoa(masters[0])+"/exe")
	if err != nil || build.Number != version {
		t.Errorf("%s serves, not %s (%v)", build.Number, version, err)
	}
}

// orphansOf are workers that run from the site's directory outside a tree.
func orphansOf(n *nginxtest.Nginx, tree nginx.Tree) []string {
	links, _ := filepath.Glob("/proc/[0-9]*/exe") // the pattern is good
	var found []string
	for _, link := range links {
		exe, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(exe, n.Dir+"/") {
			continue
		}
		name := filepath.Base(filepath.Dir(link))
		pid, _ := strconv.Atoi(name) // its name is a number
		if pid == tree.Master.PID || slices.ContainsFunc(tree.Children, func(c nginx.Child) bool { return c.PID == pid }) {
			continue
		}
		if title, err := nginx.ReadTitle(pid); err == nil {
			found = append(found, name+" "+string(title.Role))
		}
	}
	return found
}

// leftovers are files that a cycle should have removed.
func leftovers(n *nginxtest.Nginx, sockets string) []string {
	left, _ := filepath.Glob(filepath.Join(sockets, "*.nginx-hotswap")) // the pattern is good
	if nginxtest.Exists(n.PIDPath() + nginx.OldBin) {
		left = append(left, n.PIDPath()+nginx.OldBin)
	}
	return left
}
