// Command nginx-hotswap upgrades running nginx masters to the binary that is
// on disk, see nginx-hotswap(8).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// exitError carries an exit status through cobra. What there is to say has
// been said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a mistake in the command line.
type usageError struct{ error }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return supervisor.ExitOK
	}
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	fmt.Fprintf(stderr, "nginx-hotswap: %s\n", printableLines(err.Error()+withoutRights(err, os.Geteuid())))
	if _, ok := errors.AsType[usageError](err); ok {
		return supervisor.ExitUsage
	}
	return supervisor.ExitFailure
}

// withoutRights says what somebody can do who is not root, or is empty.
func withoutRights(err error, user int) string {
	if user == 0 || !errors.Is(err, fs.ErrPermission) {
		return ""
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return "; run it with sudo, or ask over the system bus (busctl)"
	}
	return "; run it with sudo"
}

// places are the files and directories that the commands work with.
type places struct {
	config string
	store  supervisor.Store
}

func newRoot() *cobra.Command {
	p := &places{}
	root := &cobra.Command{
		Use:           "nginx-hotswap",
		Short:         "Upgrade a running nginx to a new binary without losing a request",
		Version:       version(),
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&p.config, "config", supervisor.ConfigFile, "configuration `FILE`")
	flags.StringVar(&p.store.Runtime, "runtime-directory", supervisor.RuntimeDirectory, "`DIRECTORY` for what dies with the machine")
	flags.StringVar(&p.store.State, "state-directory", supervisor.StateDirectory, "`DIRECTORY` for history and vault")
	for _, hidden := range []string{"runtime-directory", "state-directory"} {
		if err := flags.MarkHidden(hidden); err != nil {
			panic(err) // only for a flag that does not exist
		}
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newDaemon(p), newUpgrade(p), newStatus(p), newCheckConfig(p), newReload(p),
		newRollback(p), newGenerator(p), newAlert(p), newConfirm(p), newHold(p), newUnhold(p), newHistory(p), newDoctor(p))
	completions(root, p)
	strictTopics(root)
	return root
}

// strictTopics makes a topic that help or completion do not know a mistake: cobra
// prints the help of the whole program and succeeds, also into a shell's file.
func strictTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if found, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return noSuchCommand(found, rest)
				}
				return nil
			}
		case "completion":
			cmd.Args = noSuchCommand
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("unknown command %q (see %s --help)", args[0], cmd.CommandPath())}
}

// noArguments is for commands that take none.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("no argument is taken, not even %q", args[0])}
	}
	return nil
}

// atMostOne is for commands that take an optional instance.
func atMostOne(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError{fmt.Errorf("one instance at most, not %d", len(args))}
	}
	if len(args) == 1 && args[0] == "" {
		return usageError{errors.New("the name of the instance is empty; without one all are meant")}
	}
	return nil
}

// emptyFlags refuses a value that is given and empty, as by a variable that is not
// set: it would mean all instances, or another build.
func emptyFlags(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
			return fmt.Errorf("--%s is empty; give it a value or leave it out", name)
		}
	}
	return nil
}

// version is set at build time, or is what the module system knows.
var versionText string

func version() string {
	if versionText != "" {
		return versionText
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
