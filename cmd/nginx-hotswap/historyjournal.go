package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/cmd/nginx-hotswap/report"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const (
	journalctl = "/usr/bin/journalctl"
	// A large journal on a slow disk must not hold up the report.
	journalLimit = 5 * time.Second
	journalLines = 500
	journalBytes = 8 << 20
	// journalMargin is what belongs to a cycle before and after it: the file
	// that landed, what systemd says of it.
	journalMargin = 5 * time.Second
)

// journal asks a program for log lines.
type journal struct{ program string }

// window returns what was logged around a cycle, or why it is not all.
func (j journal) window(ctx context.Context, rec *supervisor.Record, now time.Time) (lines []report.LogLine, note string) {
	ctx, cancel := context.WithTimeout(ctx, journalLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.program, arguments(rec, now)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"} // no pager, no colours, no other's HOME
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "The journal cannot be read: " + err.Error() + "."
	}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, "There is no journal here that could be asked (" + j.program + " is not installed)."
		}
		return nil, "The journal cannot be read: " + err.Error() + "."
	}
	lines, broken := parseJournal(io.LimitReader(out, journalBytes))
	late := ctx.Err()
	if broken != nil {
		cancel() // it would wait for somebody to read on
	}
	note = shortcoming(late, broken, cmd.Wait(), stderr.String())
	if note != "" {
		return lines, note
	}
	switch {
	case len(lines) > journalLines:
		lines = lines[len(lines)-journalLines:]
		note = fmt.Sprintf("Only the last %d lines of that time.", journalLines)
	case len(lines) == 0:
		note = "The journal has no lines of that time, or not any more."
	}
	return lines, note
}

// shortcoming is why the lines may not be all of those that were asked for: the
// program was late, its answer broken, or it failed, and what it said then.
func shortcoming(late, broken, failed error, stderr string) string {
	switch {
	case late != nil:
		return fmt.Sprintf("The journal has not answered within %v; what is here may not be all.", journalLimit)
	case broken != nil:
		return "Not all of the journal's answer could be read: " + broken.Error() + "."
	case failed != nil:
		said, _, _ := strings.Cut(stderr, "\n")
		return "The journal cannot be read: " + cmp.Or(strings.TrimSpace(said), failed.Error()) + "."
	}
	return ""
}

// arguments ask for what we wrote about the cycle and its instance, and for what
// its unit and systemd wrote about it meanwhile.
func arguments(rec *supervisor.Record, now time.Time) []string {
	end := now
	if rec.Finished != nil {
		end = *rec.Finished
	}
	stamp := func(t time.Time) string { return "@" + strconv.FormatInt(t.Unix(), 10) }
	args := []string{"--output=json", "--no-pager", "--quiet", "--lines=" + strconv.Itoa(journalLines+1),
		"--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID",
		"--since=" + stamp(rec.Started.Add(-journalMargin)), "--until=" + stamp(end.Add(journalMargin+time.Second)),
		"NGINX_HOTSWAP_CYCLE=" + rec.ID, "+", "NGINX_HOTSWAP_INSTANCE=" + rec.Instance}
	if rec.Unit != "" {
		args = append(args, "+", "_SYSTEMD_UNIT="+rec.Unit, "+", "_PID=1", "UNIT="+rec.Unit)
	}
	return args
}
