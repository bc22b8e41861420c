package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// newAlert is what nginx-hotswap-alert@.service runs: it fails, with the reason
// in the journal, for as long as there is one, so that `systemctl --failed` and
// every monitor that looks at units shows it.
func newAlert(p *places) *cobra.Command {
	return &cobra.Command{
		Use:    "alert INSTANCE",
		Short:  "Fail if an instance needs a person",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, _, err := p.statuses(cmd.Context(), []string{unescapeInstance(args[0])})
			if err != nil {
				return err
			}
			for _, s := range list {
				if s.Alert != "" {
					return errors.New(s.Name + ": " + alertText(s))
				}
				if s.MainPID == 0 {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", s.Name, s.Reason)
				}
			}
			return nil
		},
	}
}

// alertText tells the way out that needs no other build. One that got stuck, or has
// lost its masters, names its own, and knowing of it is none.
func alertText(s supervisor.Status) string {
	if len(s.Masters) != 1 {
		return s.Alert
	}
	return fmt.Sprintf("%s; `nginx-hotswap confirm %s` acknowledges it", s.Alert, s.Name)
}

// alerts starts and clears the alert units. It keeps the latest word of each
// instance, so that nobody who speaks has to wait for systemd.
type alerts struct {
	mu     sync.Mutex
	latest map[string]string
	wake   chan struct{}
}

func newAlerts() *alerts {
	return &alerts{latest: make(map[string]string), wake: make(chan struct{}, 1)}
}

// set is called by supervisors, see supervisor.Options.OnAlert.
func (a *alerts) set(instance, text string) {
	a.mu.Lock()
	a.latest[instance] = text
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *alerts) take() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.latest
	a.latest = make(map[string]string)
	return taken
}

// run carries out what was set until the context ends.
func (a *alerts) run(ctx context.Context, failed func(error)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
		}
		for instance, text := range a.take() {
			if err := show(ctx, instance, text); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
	}
}

func show(ctx context.Context, instance, text string) error {
	if !systemd.Booted() {
		return nil
	}
	m, err := systemd.Dial(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	unit := "nginx-hotswap-alert@" + escapeInstance(instance) + ".service"
	if text == "" {
		return m.ResetFailed(ctx, unit)
	}
	return m.Start(ctx, unit)
}

// escapeInstance makes a name fit for the instance part of a unit's name, see
// systemd.unit(5). Unlike systemd-escape(1) it leaves hyphens as they are.
func escapeInstance(name string) string {
	var escaped strings.Builder
	for i := range len(name) {
		if c := name[i]; plainInUnit.Match([]byte{c}) {
			escaped.WriteString(string(c))
		} else {
			escaped.WriteString(fmt.Sprintf(`\x%02x`, c))
		}
	}
	return escaped.String()
}

func unescapeInstance(name string) string {
	return escapedInUnit.ReplaceAllStringFunc(name, func(s string) string {
		c, err := strconv.ParseUint(s[2:], 16, 8)
		if err != nil {
			return s
		}
		return string([]byte{byte(c)})
	})
}

var (
	plainInUnit   = regexp.MustCompile(`^[A-Za-z0-9:_.@-]$`)
	escapedInUnit = regexp.MustCompile(`\\x[0-9a-f]{2}`)
)
