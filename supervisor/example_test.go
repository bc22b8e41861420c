package supervisor_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/watch"
)

// A program of its own that looks after one nginx without systemd: it upgrades
// when the binary is replaced, and once when it begins.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // nginx goes on without us
	config, warnings, err := supervisor.LoadConfig(supervisor.ConfigFile)
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range warnings {
		log.Print(w)
	}
	instance := config.Instance("local")
	instance.PIDFile = "/usr/local/nginx/logs/nginx.pid"

	// Only one process may look after an instance.
	store := supervisor.Store{Runtime: supervisor.RuntimeDirectory, State: supervisor.StateDirectory}
	lock, err := store.Lock(instance.Name)
	if err != nil {
		log.Fatal(err)
	}
	defer lock.Release()

	w := watch.New(watch.Options{Settle: config.SettleSec})
	go w.Run(ctx)
	w.Follow("/usr/local/nginx/sbin/nginx")

	s := supervisor.New(instance, supervisor.Options{Config: config, Store: store, Log: slog.Default()})
	go func() {
		for range w.Pokes() {
			s.Poke() // what it means is for the supervisor to see
		}
	}()
	go func() {
		out, err := s.Do(ctx, supervisor.Request{Action: supervisor.ActionUpgrade, Origin: supervisor.OriginCLI, Wait: supervisor.WaitVerdict})
		if err != nil {
			log.Print(err)
			return
		}
		fmt.Println(out.Text, out.Code == supervisor.ExitOK)
		fmt.Println("nginx", s.Status().Running.Version, "runs")
	}()
	// A cycle that runs when the context ends is left so that the next Run
	// goes on with it.
	if err := s.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

// Without Run a supervisor serves one request, and returns when all is done.
func ExampleSupervisor_Once() {
	config := supervisor.Defaults()
	instance := config.Instance("local")
	instance.PIDFile = "/usr/local/nginx/logs/nginx.pid"
	dir, err := os.MkdirTemp("", "once")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s := supervisor.New(instance, supervisor.Options{Config: config, Store: supervisor.Store{Runtime: dir + "/run", State: dir + "/lib"}})
	out := s.Once(context.Background(), supervisor.Request{Origin: supervisor.OriginCLI, Wait: supervisor.WaitDone, DryRun: true})
	fmt.Println(out.Code, out.Text)
}
