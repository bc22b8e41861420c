package nginx

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// LogLine is a line of an error log. Only the lines that [LogLine.Child]
// describes are facts; the rest may explain one. What clients and applications
// send stands in the same file, so a line is to be believed only as far as its
// pids are those of processes that are known.
type LogLine struct {
	// Time is in our own time zone, which need not be the server's, to the
	// second. It is zero in what a master writes before it has opened its
	// log: "nginx: [emerg] ...".
	Time  time.Time
	Level string
	PID   int // who wrote it, 0 if the line does not tell
	Text  string
}

// LogChild is the end of a process as its master has logged it.
type LogChild struct {
	Process string // "worker process", "new binary process", ...
	PID     int
	Exit    Exit
	// Fatal is set when the master will not start another in its place.
	Fatal bool
}

var logLevels = map[string]bool{
	"emerg": true, "alert": true, "crit": true, "error": true, "warn": true, "notice": true, "info": true, "debug": true,
}

const logTime = "2006/01/02 15:04:05"

// ParseLogLine reads a line as ngx_log_error_core writes it:
//
//	2026/11/22 16:23:05 [alert] 1234#1234: worker process 1240 exited on signal 11
//
// It reports false for others, such as the further lines of a message.
func ParseLogLine(line string) (LogLine, bool) {
	line = strings.TrimRight(line, "\r\n")
	if len(line) > len(logTime) && line[len(logTime)] == ' ' {
		if at, err := time.ParseInLocation(logTime, line[:len(logTime)], time.Local); err == nil {
			l, ok := parseLevel(line[len(logTime)+1:])
			if !ok {
				return LogLine{}, false
			}
			l.Time = at
			return l, l.parsePID()
		}
	}
	// The copy for the terminal, ngx_log_stderr's.
	program, rest, ok := strings.Cut(line, ": ")
	if !ok || program == "" || strings.ContainsAny(program, " /[") {
		return LogLine{}, false
	}
	return parseLevel(rest)
}

func parseLevel(text string) (LogLine, bool) {
	text, ok := strings.CutPrefix(text, "[")
	level, text, found := strings.Cut(text, "] ")
	return LogLine{Level: level, Text: text}, ok && found && logLevels[level]
}

// parsePID takes "1234#1234: " off the text.
func (l *LogLine) parsePID() bool {
	head, text, ok := strings.Cut(l.Text, ": ")
	pid, thread, hash := strings.Cut(head, "#")
	n, err := parseLogPID(pid)
	if _, bad := strconv.ParseUint(thread, 10, 64); bad != nil || err != nil || !ok || !hash {
		*l = LogLine{}
		return false
	}
	l.PID, l.Text = n, text
	return true
}

func parseLogPID(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 22)
	return int(n), err
}

// Child returns what the line says about the end of a process, as
// ngx_process_get_status puts it.
func (l LogLine) Child() (LogChild, bool) {
	head, end, ok := strings.Cut(l.Text, " exited ")
	space := strings.LastIndexByte(head, ' ')
	if !ok || space < 0 || !strings.HasSuffix(head[:space], " process") {
		return LogChild{}, false
	}
	pid, err := parseLogPID(head[space+1:])
	if err != nil || pid == 0 {
		return LogChild{}, false
	}
	c := LogChild{Process: head[:space], PID: pid, Exit: Exit{Known: true}}
	if number, ok := strings.CutPrefix(end, "on signal "); ok {
		n, err := strconv.ParseUint(strings.TrimSuffix(number, " (core dumped)"), 10, 7)
		c.Exit.Signal = unix.Signal(n)
		return c, err == nil && n > 0
	}
	number, ok := strings.CutPrefix(end, "with code ")
	if !ok {
		number, ok = strings.CutPrefix(end, "with fatal code ")
		number, c.Fatal = strings.CutSuffix(number, " and cannot be respawned")
		ok = ok && c.Fatal
	}
	code, err := strconv.ParseUint(number, 10, 8)
	c.Exit.Code = int(code)
	return c, ok && err == nil
}

// Explains reports whether the line may say why something went wrong with a
// master or a worker as a whole, in its own words. What it says of a connection
// is partly in its client's.
func (l LogLine) Explains() bool {
	if connectionLine.MatchString(l.Text) || l.OutOfConnections() {
		return false
	}
	return l.Level == "emerg" || l.Level == "alert" || l.Level == "crit"
}

// connectionLine begins with the connection's number (ngx_log_error_core).
var connectionLine = regexp.MustCompile(`^\*\d+ `)

// notEnough is how ngx_get_connection begins; the number is that of
// worker_connections.
var notEnough = regexp.MustCompile(`^(\*\d+ )?\d+ worker_connections are not enough`)

// OutOfConnections reports whether the line says that a worker closes new
// connections unanswered because it has no more. That is the configuration's fault.
func (l LogLine) OutOfConnections() bool { return notEnough.MatchString(l.Text) }
