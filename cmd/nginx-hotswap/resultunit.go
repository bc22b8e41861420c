package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// resultUnits starts the unit of OnResultUnit= for each cycle that has ended, in
// their order. Nobody waits for it: not the supervisor, and we not for the unit.
type resultUnits struct {
	directory string
	log       *slog.Logger
	start     func(ctx context.Context, unit string) error
	wake      chan struct{}

	mu    sync.Mutex
	unit  string
	queue []*supervisor.Record
}

// resultDirectory is below the runtime directory.
const resultDirectory = "result"

func newResultUnits(runtime string, log *slog.Logger) *resultUnits {
	return &resultUnits{directory: filepath.Join(runtime, resultDirectory), log: log, start: startUnit, wake: make(chan struct{}, 1)}
}

// configure sets the unit; "" means none.
func (u *resultUnits) configure(unit string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.unit = unit
}

// finish is told of a cycle that has ended.
func (u *resultUnits) finish(r *supervisor.Record) {
	u.mu.Lock()
	if u.unit != "" {
		u.queue = append(u.queue, r)
	}
	u.mu.Unlock()
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func (u *resultUnits) take() (unit string, records []*supervisor.Record) {
	u.mu.Lock()
	defer u.mu.Unlock()
	records, u.queue = u.queue, nil
	return u.unit, records
}

// run carries out what was told until the context ends.
func (u *resultUnits) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-u.wake:
		}
		unit, records := u.take()
		if unit != "" { // else a reload has just taken it away
			u.tellAll(ctx, unit, records)
		}
	}
}

// tellAll tells of one cycle after the other.
func (u *resultUnits) tellAll(ctx context.Context, unit string, records []*supervisor.Record) {
	for _, r := range records {
		name := resultUnitOf(unit, r.Instance)
		if err := u.tell(ctx, name, r); err != nil && ctx.Err() == nil {
			u.log.Warn(fmt.Sprintf("%s: OnResultUnit=: %v; after that is put right: systemctl start '%s'", r.Instance, err, name),
				"cycle", r.ID)
		}
	}
}

// tell writes what has happened and starts the unit.
func (u *resultUnits) tell(ctx context.Context, unit string, r *supervisor.Record) error {
	if err := writeResult(u.directory, r); err != nil {
		return err
	}
	return u.start(ctx, unit)
}

// resultUnitOf is the unit to be started: a template gets the instance.
func resultUnitOf(unit, instance string) string {
	if prefix, ok := strings.CutSuffix(unit, "@.service"); ok {
		return prefix + "@" + escapeInstance(instance) + ".service"
	}
	return unit
}

// writeResult replaces the file of an instance. It may be read by the unit's own
// user, so it is not for root alone, whatever our umask.
func writeResult(directory string, r *supervisor.Record) error {
	err := os.MkdirAll(directory, 0o755)
	if err == nil {
		err = os.Chmod(directory, 0o755)
	}
	for _, name := range resultFiles(r.Instance) {
		if err == nil {
			err = renameio.WriteFile(filepath.Join(directory, name), resultText(r), 0o644, renameio.IgnoreUmask())
		}
	}
	if err != nil {
		return fmt.Errorf("cannot write the result: %w", err)
	}
	return nil
}

func startUnit(ctx context.Context, unit string) error {
	if !systemd.Booted() {
		return errors.New("systemd does not run here")
	}
	m, err := systemd.Dial(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Start(ctx, unit)
}
