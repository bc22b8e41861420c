package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
)

type upgradeCommand struct {
	*places
	request supervisor.Request
	pidFile string
	json    bool
	hook    *hook     // nil for a person
	live    *terminal // where the cycles are shown while they run, or nil
}

// answer is what `upgrade --json` prints for an instance.
type answer struct {
	Name   string            `json:"name"`
	Code   int               `json:"code"`
	Text   string            `json:"text"`
	Cycle  string            `json:"cycle,omitempty"`
	Result supervisor.Result `json:"result,omitempty"`
}

func newUpgrade(p *places) *cobra.Command {
	u := &upgradeCommand{places: p}
	var origin, wait string
	cmd := &cobra.Command{
		Use:   "upgrade [INSTANCE]",
		Short: "Make what is on disk run",
		Long: `Make what is on disk run. When it runs already there is nothing to do, and that
is a success. Without INSTANCE all instances are upgraded.

The daemon does it. Where none runs the command does it itself, unless
Confirm=manual; then it stays until the old master is gone.

Exit status: 0 what is on disk runs, 1 failure, 2 usage, 3 rejected: nothing was
touched, 4 rolled back: the old version serves, also as long as it stands in for a
condemned build, 5 deferred or busy: held, still being written, a job on the unit,
another upgrade, 6 stuck: a person is needed, 7 not running or cannot be swapped.`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			u.request.Origin, u.request.Wait = supervisor.Origin(origin), supervisor.Wait(wait)
			return u.run(cmd, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&u.request.DryRun, "dry-run", false, "check everything, signal nobody")
	flags.BoolVar(&u.request.Force, "force", false, "try a condemned build once more, and overrule hold")
	flags.BoolVar(&u.request.IfRunning, "if-running", false, "it is no failure if nginx does not run")
	flags.StringVar(&origin, "origin", string(supervisor.OriginCLI), "`NAME` of who asks, for the record: "+commaList(askers))
	flags.StringVar(&wait, "wait", string(supervisor.WaitVerdict), "`WHEN` to return: at the verdict, or when the old master is gone (verdict|done)")
	flags.StringVar(&u.pidFile, "pid-file", "", "the master that this `FILE` names, with or without a unit")
	flags.BoolVar(&u.json, "json", false, "answer in JSON")
	return cmd
}

func (u *upgradeCommand) run(cmd *cobra.Command, args []string) error {
	if err := errors.Join(emptyFlags(cmd, "pid-file", "to"), u.validate(args)); err != nil {
		return usageError{err}
	}
	ctx := cmd.Context()
	if u.request.Origin.IsPackage() {
		h := u.newHook(u.request.Origin)
		u.hook = &h
		var cancel context.CancelFunc
		ctx, cancel = h.context(ctx)
		defer cancel()
	}
	if u.hook == nil && !u.json && u.isCycle() {
		u.live = terminalOf(cmd.OutOrStdout())
	}
	answers, err := u.ask(ctx, args)
	if err != nil && u.hook != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "nginx-hotswap: %s\n", printableLines(err.Error()))
		return ending(u.hook.failure(err))
	}
	if err != nil {
		return err
	}
	return u.tell(cmd.OutOrStdout(), answers)
}

// tell prints the answers and ends as the worst of them says.
func (u *upgradeCommand) tell(w io.Writer, answers []answer) error {
	var codes []int
	for i, a := range answers {
		codes = append(codes, a.Code)
		if u.hook != nil {
			answers[i].Text += u.hook.advice(a)
		}
	}
	if err := u.print(w, answers); err != nil {
		return err
	}
	code := supervisor.Worst(codes...)
	if len(answers) == 0 && !u.request.IfRunning {
		code = supervisor.ExitNotSwappable
	}
	if u.hook != nil {
		code = u.hook.code(code)
	}
	return ending(code)
}

// ending is the error that makes this the exit status.
func ending(code int) error {
	if code == supervisor.ExitOK {
		return nil
	}
	return exitError(code)
}

func (u *upgradeCommand) print(w io.Writer, answers []answer) error {
	if u.json {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(answers)
	}
	for _, a := range answers {
		fmt.Fprintf(w, "%s: %s\n", printable(a.Name), printableLines(a.Text))
	}
	if len(answers) == 0 {
		fmt.Fprintln(w, "there is no instance: "+noInstance+"; "+addInstance)
	}
	return nil
}

func (u *upgradeCommand) validate(args []string) error {
	if u.pidFile != "" && len(args) > 0 {
		return errors.New("--pid-file and an instance exclude each other")
	}
	if u.pidFile != "" && !filepath.IsAbs(u.pidFile) {
		return fmt.Errorf("--pid-file needs an absolute path, not %s", u.pidFile)
	}
	return u.request.Validate()
}

// ask asks the daemon, or does it where there is none.
func (u *upgradeCommand) ask(ctx context.Context, args []string) ([]answer, error) {
	client, err := bus.Dial(ctx, u.store.Runtime)
	if errors.Is(err, bus.ErrNoDaemon) {
		return u.ourselves(ctx, args)
	}
	if err != nil {
		return nil, err
	}
	defer client.Close()
	listed, err := client.Instances(ctx)
	if err != nil {
		return nil, err
	}
	chosen, err := chooseOrAsk(ctx, client, listed, args, u.pidFile)
	if unit, _ := processOf(ctx, u.pidFile); err == nil && len(chosen) == 0 && unit != "" {
		chosen, err = byUnit(ctx, client, listed, unit, nil)
	}
	if err != nil {
		return nil, err
	}
	if u.pidFile != "" && len(chosen) == 0 {
		// The daemon does not look after this one.
		return u.ourselves(ctx, args)
	}
	return u.theDaemon(ctx, client, chosen), nil
}

// choose picks what a command line means from the daemon's instances.
func choose(listed []bus.Listed, args []string, pidFile string) ([]string, error) {
	var all, chosen []string
	for _, l := range listed {
		all = append(all, l.Name)
		switch {
		case pidFile != "":
			if l.PIDFile == pidFile {
				chosen = append(chosen, l.Name)
			}
		case len(args) == 0 || supervisor.InstanceName(args[0]) == l.Name:
			chosen = append(chosen, l.Name)
		}
	}
	if len(args) > 0 && len(chosen) == 0 {
		return nil, unknownInstance(args[0], all)
	}
	return chosen, nil
}

// chooseOrAsk is choose, which takes the name of a unit, too.
func chooseOrAsk(ctx context.Context, client *bus.Client, listed []bus.Listed, args []string, pidFile string) ([]string, error) {
	chosen, err := choose(listed, args, pidFile)
	if errors.Is(err, errUnknown) {
		return byUnit(ctx, client, listed, args[0], err)
	}
	return chosen, err
}

// byUnit looks for the instance of a unit that is named otherwise; unknown is the
// error where there is none.
func byUnit(ctx context.Context, client *bus.Client, listed []bus.Listed, unit string, unknown error) ([]string, error) {
	for _, l := range listed {
		s, err := client.Status(ctx, l.Name)
		if err != nil {
			return nil, err
		}
		if s.Unit == unit {
			return []string{l.Name}, nil
		}
	}
	return nil, unknown
}

func (u *upgradeCommand) theDaemon(ctx context.Context, client *bus.Client, instances []string) []answer {
	answers := make([]answer, len(instances))
	defer u.showDaemon(ctx, client, instances)()
	var all sync.WaitGroup
	for i, name := range instances {
		all.Go(func() {
			out, err := client.Do(ctx, name, u.request)
			switch {
			case errors.Is(context.Cause(ctx), errHookTime) && err != nil:
				out = u.hook.late()
			case err != nil:
				out = supervisor.Outcome{Code: supervisor.ExitFailure, Text: err.Error()}
			}
			answers[i] = answer{name, out.Code, out.Text, out.Cycle, out.Result}
		})
	}
	all.Wait()
	return answers
}
