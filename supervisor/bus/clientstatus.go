package bus

import (
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// statusOf reads the properties of an instance.
func statusOf(all map[string]dbus.Variant) (supervisor.Status, error) {
	var s supervisor.Status
	var phase string
	var main uint32
	var running RunningProperty
	var disk DiskProperty
	var masters []MasterProperty
	var cycle CycleProperty
	var last LastProperty
	for name, to := range map[string]any{
		"Name": &s.Name, "Unit": &s.Unit, "MainPID": &main, "Phase": &phase, "Running": &running, "Disk": &disk,
		"Pending": &s.Pending, "Held": &s.Held, "Reason": &s.Reason, "Alert": &s.Alert, "Masters": &masters, "Cycle": &cycle, "Last": &last,
	} {
		v, ok := all[name]
		if !ok {
			return s, fmt.Errorf("the daemon speaks another version: it has no property %s", name)
		}
		if err := v.Store(to); err != nil {
			return s, fmt.Errorf("the daemon speaks another version: property %s: %w", name, err)
		}
	}
	s.MainPID, s.Phase = int(main), supervisor.Phase(phase)
	s.Running = supervisor.RunningStatus{BuildStatus: supervisor.BuildStatus{Version: running.Version, SHA256: running.SHA256},
		Path: running.Path, Since: timeOf(running.Since)}
	s.Disk = supervisor.BuildStatus(disk)
	s.Masters, s.Cycle = mastersOf(masters), cycleOf(cycle)
	if last.ID != "" {
		s.Last = &supervisor.LastStatus{ID: last.ID, Result: supervisor.Result(last.Result), Reason: last.Reason, Finished: timeOf(last.Finished)}
	}
	return s, nil
}

func mastersOf(masters []MasterProperty) []supervisor.MasterStatus {
	list := make([]supervisor.MasterStatus, len(masters))
	for i, m := range masters {
		list[i] = supervisor.MasterStatus{PID: int(m.PID), Role: m.Role, Version: m.Version, Workers: make([]supervisor.WorkerStatus, len(m.Workers))}
		for j, w := range m.Workers {
			list[i].Workers[j] = supervisor.WorkerStatus{PID: int(w.PID), Draining: w.Draining, Connections: int(w.Connections)}
		}
	}
	return list
}

func cycleOf(p CycleProperty) *supervisor.CycleStatus {
	if p.ID == "" {
		return nil
	}
	c := &supervisor.CycleStatus{
		ID: p.ID, Origin: supervisor.Origin(p.Origin), Started: time.UnixMicro(int64(p.Started)), From: p.From, To: p.To, Reason: p.Reason,
		Steps: make([]supervisor.StepRecord, len(p.Steps)), Connections: int(p.Connections),
		SoakUntil: timeOf(p.SoakUntil), KeepUntil: timeOf(p.KeepUntil), ConfirmUntil: timeOf(p.ConfirmUntil), DrainUntil: timeOf(p.DrainUntil),
		Probes: make([]supervisor.ProbeStatus, len(p.Probes)),
	}
	for i, s := range p.Steps {
		c.Steps[i] = supervisor.StepRecord{Phase: supervisor.Phase(s.Phase), Started: time.UnixMicro(int64(s.Started)), DurationMS: int64(s.Duration)}
	}
	for i, r := range p.Probes {
		c.Probes[i] = supervisor.ProbeStatus{Target: r.Target, Good: r.Good, Text: r.Text,
			Asked: time.UnixMicro(int64(r.Asked)), TookUS: int64(r.Took), Rounds: int(r.Rounds)}
	}
	return c
}

func timeOf(microseconds uint64) *time.Time {
	if microseconds == 0 {
		return nil
	}
	t := time.UnixMicro(int64(microseconds))
	return &t
}
