package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/bench/floor"
)

const (
	floorUnit = "bench-floor.service"
	floorConf = "/etc/nginx/bench-floor.conf"
	floorDir  = "/run/bench-floor"
	// floorService is another nginx, which is not looked after.
	floorService = `[Service]
Type=forking
RuntimeDirectory=bench-floor
PIDFile=` + floorDir + `/nginx.pid
ExecStart=` + nginxPath + ` -c ` + floorConf + `
KillMode=mixed
KillSignal=SIGQUIT
LimitNOFILE=infinity
`
)

// startFloor starts an nginx with that load for the floor.
func (m *machine) startFloor(ctx context.Context, l load) error {
	conf := nginxConf{load: l, pid: floorDir + "/nginx.pid", listen: "127.0.0.1:8090"}
	for name, text := range map[string]string{floorConf: conf.String(), "/etc/systemd/system/" + floorUnit: floorService} {
		if err := m.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	_, err := m.run(ctx, "systemctl daemon-reload; systemctl restart "+floorUnit)
	return err
}

// floor carries out the bare procedure on a unit.
func (m *machine) floor(ctx context.Context, unit string) (*floor.Account, error) {
	master, err := m.unitPID(ctx, unit)
	if err != nil {
		return nil, err
	}
	out, err := m.run(ctx, fmt.Sprintf("%sfloor -master=%d", toolDir, master))
	if err != nil {
		return nil, err
	}
	var a floor.Account
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		return nil, fmt.Errorf("the floor gives no account: %w: %s", err, out)
	}
	return &a, poll(ctx, "systemd does not follow", func() (bool, error) {
		pid, err := m.unitPID(ctx, unit)
		return pid == a.Successor, err
	})
}

// vigil waits for the end of a process of the machine, and looks at nothing.
type vigil struct {
	cmd *exec.Cmd
	out bytes.Buffer
	log *bufio.Reader
}

func (m *machine) startVigil(ctx context.Context, pid int) (*vigil, error) {
	v := &vigil{cmd: m.Command(ctx, toolDir+"floor", "-watch", fmt.Sprintf("-master=%d", pid))}
	v.cmd.Stdout = &v.out
	log, err := v.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := v.cmd.Start(); err != nil {
		return nil, err
	}
	v.log = bufio.NewReader(log)
	if line, err := v.log.ReadString('\n'); line != "ready\n" {
		return nil, fmt.Errorf("cannot watch process %d, the program says %q: %v", pid, line, errors.Join(err, v.cmd.Wait()))
	}
	return v, nil
}

// end returns what was seen once the process has ended.
func (v *vigil) end() (*floor.Account, error) {
	rest, _ := v.log.ReadString(0) // an error is the end
	if err := v.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, rest)
	}
	var a floor.Account
	return &a, json.Unmarshal(v.out.Bytes(), &a)
}
