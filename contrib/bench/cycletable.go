package main

import (
	"fmt"
)

const cycleText = `SettleSec=%v, SoakSec=0, KeepOldSec=0, no connections; all other settings are the defaults. The floor is a program
that sends USR2, WINCH and QUIT as early as the process table allows, to an nginx with the same configuration beside;
one upgrade by nginx-hotswap and one by the floor take turns, %d each. Milliseconds: median (quartiles, least–greatest).`

// cycleSection draws up what was measured of the cycle.
func cycleSection(costs []cycleCost) *section {
	s := &section{title: "The cost of a cycle", raw: costs}
	if len(costs) > 0 {
		s.text = fmt.Sprintf(cycleText, cycleSettle, len(costs[0].Runs))
	}
	s.tables = []captioned{
		{"From the last write of the binary to USR2, SettleSec= left out.", table{}},
		{"From USR2 on.", table{}},
	}
	before, after := &s.tables[0].table, &s.tables[1].table
	before.row("workers", "server blocks", "in all", "look", "pre-flight", "of it `nginx -t` as a transient unit", "`nginx -t` in a shell", "vault", "to USR2")
	after.row("workers", "server blocks", "new workers ready", "floor", "old accept no more", "floor", "verdict", "old workers gone", "old master gone", "floor", "ratio of the medians", "all is over")
	for _, c := range costs {
		of := func(figure func(cycleRun) float64) summary { return spread(c.Runs, figure) }
		size := []string{fmt.Sprint(c.Load.Workers), fmt.Sprint(c.Load.Blocks)}
		before.row(append(size,
			of(cycleRun.toUSR2).String(), of(func(r cycleRun) float64 { return r.Look }).String(), of(func(r cycleRun) float64 { return r.PreFlight }).String(),
			of(func(r cycleRun) float64 { return r.Test }).String(), of(func(r cycleRun) float64 { return r.BareTest }).String(),
			of(func(r cycleRun) float64 { return r.Vault }).String(), of(func(r cycleRun) float64 { return r.Prepare }).String())...)
		gone, floor := of(func(r cycleRun) float64 { return r.Gone }), of(func(r cycleRun) float64 { return r.FloorGone })
		after.row(append(size,
			of(func(r cycleRun) float64 { return r.Ready }).String(), of(func(r cycleRun) float64 { return r.FloorReady }).String(),
			of(func(r cycleRun) float64 { return r.Shifted }).String(), of(func(r cycleRun) float64 { return r.FloorShifted }).String(),
			of(func(r cycleRun) float64 { return r.Verdict }).String(), of(func(r cycleRun) float64 { return r.Drained }).String(),
			gone.String(), floor.String(), precise(gone.median/floor.median), of(func(r cycleRun) float64 { return r.Finished }).String())...)
		s.goals = append(s.goals, cycleGoals(c, gone.median, floor.median)...)
	}
	return s
}

// toUSR2 is what we take from the last write to USR2 beside SettleSec=.
func (r cycleRun) toUSR2() float64 { return r.LastWriteToUSR2 - millisOf(cycleSettle) }

// cycleGoals compares the medians of what is more than it must be.
func cycleGoals(c cycleCost, gone, floor float64) []goal {
	name := fmt.Sprintf("%d workers, %d server blocks", c.Load.Workers, c.Load.Blocks)
	return []goal{
		ratio("USR2 to the end of the old master, of the floor's, "+name, gone, floor, 1.2),
		{"pre-flight beyond its `nginx -t`, " + name, spread(c.Runs, func(r cycleRun) float64 { return r.PreFlight - r.Test }).median, 20, " ms"},
		{"last write to USR2 beyond SettleSec= and pre-flight, " + name, spread(c.Runs, func(r cycleRun) float64 { return r.toUSR2() - r.PreFlight }).median, 20, " ms"},
	}
}
