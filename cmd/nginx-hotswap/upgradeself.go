package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// ourselves does the cycles in this process, one after the other.
func (u *upgradeCommand) ourselves(ctx context.Context, args []string) ([]answer, error) {
	words := u.words()
	log := slog.New(words)
	config, err := u.load(log)
	words.flush()
	if err != nil {
		return nil, err
	}
	chosen, err := u.selected(ctx, config, args, u.pidFile)
	if err != nil {
		return nil, err
	}
	answers := []answer{}
	for _, i := range chosen {
		out := u.once(ctx, config, i, log)
		words.flush()
		answers = append(answers, answer{i.Name, out.Code, out.Text, out.Cycle, out.Result})
	}
	return answers, nil
}

// words are what is logged, for the person who looks on.
type words struct {
	slog.Handler
	late *lateText // what is told when the picture stands; nil without one
}

// lateText collects what several goroutines say.
type lateText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lateText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// words are told on stderr as they come. Where a picture in the same terminal
// shows what goes on, only warnings are, below it.
func (u *upgradeCommand) words() words {
	if u.live == nil || terminalOf(os.Stderr) == nil {
		return words{systemd.NewFollowed(slog.LevelInfo, os.Stderr, slog.LevelInfo), nil}
	}
	late := new(lateText)
	return words{systemd.NewFollowed(slog.LevelInfo, late, slog.LevelWarn), late}
}

func (w words) flush() {
	if w.late == nil {
		return
	}
	w.late.mu.Lock()
	defer w.late.mu.Unlock()
	_, _ = w.late.text.WriteTo(os.Stderr) // there is nobody else to tell
}

func (u *upgradeCommand) once(ctx context.Context, c supervisor.Config, i supervisor.InstanceConfig, log *slog.Logger) supervisor.Outcome {
	lock, err := u.store.Lock(i.Name)
	if errors.Is(err, supervisor.ErrLocked) {
		return supervisor.Outcome{Code: supervisor.ExitDeferred, Text: err.Error(), Result: supervisor.Deferred}
	}
	if err != nil {
		return supervisor.Outcome{Code: supervisor.ExitFailure, Text: err.Error() + withoutRights(err, os.Geteuid())}
	}
	defer lock.Release()
	var ended []*supervisor.Record
	changes := make(chan string, 1)
	s := supervisor.New(i, supervisor.Options{Config: c, Store: u.store, Systemd: keeper(), Log: log,
		OnFinish: func(r *supervisor.Record) { ended = append(ended, r) },
		OnChange: func() {
			select {
			case changes <- i.Name:
			default:
			}
		}})
	var after atomic.Pointer[supervisor.Status]
	end := u.showLive(ctx, changes, func(context.Context) ([]supervisor.Status, error) {
		if now := after.Load(); now != nil {
			return []supervisor.Status{*now}, nil
		}
		return []supervisor.Status{s.Status()}, nil
	})
	out := u.carryOut(ctx, s)
	if len(ended) > 0 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), announceLimit)
		defer cancel()
		now := supervisor.New(i, supervisor.Options{Config: c, Store: u.store, Systemd: keeper()}).Peek(ctx)
		after.Store(&now)
		u.announce(ctx, c, now, ended, log)
	}
	end()
	return out
}

func (u *upgradeCommand) carryOut(ctx context.Context, s *supervisor.Supervisor) supervisor.Outcome {
	if u.hook != nil {
		return u.hook.once(ctx, s, u.request)
	}
	return s.Once(ctx, u.request)
}

// announceLimit is for telling others of a cycle; systemd needs milliseconds.
const announceLimit = 5 * time.Second

// announce does what the daemon would do for those who are not looking: it starts
// or clears the alert, and starts the unit of OnResultUnit=.
func (u *upgradeCommand) announce(ctx context.Context, c supervisor.Config, now supervisor.Status, ended []*supervisor.Record, log *slog.Logger) {
	if c.OnResultUnit != "" {
		newResultUnits(u.store.Runtime, log).tellAll(ctx, c.OnResultUnit, ended)
	}
	if now.MainPID == 0 {
		return // nothing is known; what was told stands
	}
	if err := show(ctx, now.Name, now.Alert); err != nil {
		log.Warn("cannot show an alert", "error", err)
	}
}
