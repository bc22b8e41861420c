package bus

import (
	"fmt"
	"log/slog"

	"github.com/godbus/dbus/v5"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// levels are those of org.freedesktop.LogControl1(5), as syslog(3) has them. Four
// can be chosen, so that several mean the same.
var levels = map[string]slog.Level{
	"emerg": slog.LevelError, "alert": slog.LevelError, "crit": slog.LevelError, "err": slog.LevelError,
	"warning": slog.LevelWarn, "notice": slog.LevelInfo, "info": slog.LevelInfo, "debug": slog.LevelDebug,
}

// logControlFacet is what `systemctl service-log-level` speaks to.
func logControlFacet(level *slog.LevelVar) *facet {
	return &facet{
		about: logControlInterface,
		read: func() map[string]dbus.Variant {
			return map[string]dbus.Variant{
				"LogLevel": dbus.MakeVariant(levelName(level.Level())), "LogTarget": dbus.MakeVariant("journal"),
				"SyslogIdentifier": dbus.MakeVariant(systemd.SyslogIdentifier),
			}
		},
		write: func(c *call, name string, value dbus.Variant) error { return setLevel(c, level, name, value) },
	}
}

func setLevel(c *call, level *slog.LevelVar, name string, value dbus.Variant) error {
	if name != "LogLevel" {
		return refusal("PropertyReadOnly", "property %q is read-only", name)
	}
	text, ok := value.Value().(string)
	to, known := levels[text]
	if !ok || !known {
		return invalid("log level %v is none of emerg alert crit err warning notice info debug", value)
	}
	if err := c.conn.rootOnly(c); err != nil {
		return err
	}
	c.conn.server.Log.Info(fmt.Sprintf("the log level is %s now, it was %s", text, levelName(level.Level())))
	level.Set(to)
	return nil
}

func levelName(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "err"
	case level >= slog.LevelWarn:
		return "warning"
	case level >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}
