package main

import (
	"fmt"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// narrow is a screen that has room for the numbers only.
const narrow = 60

// treeLines shows the masters with their workers, or where there is little room
// with the workers' number.
func treeLines(masters []supervisor.MasterStatus, workers bool, width int) []line {
	var lines []line
	short := width > 0 && width < narrow
	for i, m := range masters {
		branch, below := "├─", "│  "
		if i == len(masters)-1 {
			branch, below = "└─", "   "
		}
		title := masterText(m, short)
		if !workers {
			title += ": " + workersText(m.Workers, short)
		}
		lines = append(lines, line{styled(dim, "  %s ", branch), styled(plain, "%s", title)})
		if !workers {
			continue
		}
		for j, w := range m.Workers {
			twig := "├─"
			if j == len(m.Workers)-1 {
				twig = "└─"
			}
			lines = append(lines, line{styled(dim, "  %s%s ", below, twig), styled(plain, "%s", workerText(w, short))})
		}
	}
	return lines
}

func masterText(m supervisor.MasterStatus, short bool) string {
	if short {
		return fmt.Sprintf("%s %d", m.Role, m.PID)
	}
	return fmt.Sprintf("%s master %d, nginx %s", m.Role, m.PID, orDash(m.Version))
}

func workerText(w supervisor.WorkerStatus, short bool) string {
	text := fmt.Sprintf("%d %s, %s", w.PID, doing(w.Draining), counted(w.Connections, "connection"))
	if short {
		return text
	}
	return "worker " + text
}

func doing(draining bool) string {
	if draining {
		return "drains"
	}
	return "accepts"
}

func workersText(workers []supervisor.WorkerStatus, short bool) string {
	accept, drain, connections := 0, 0, 0
	for _, w := range workers {
		connections += w.Connections
		if w.Draining {
			drain++
		} else {
			accept++
		}
	}
	text := counted(len(workers), "worker")
	switch {
	case len(workers) == 0:
		return "no workers"
	case short:
		return counted(connections, "connection")
	case accept > 0 && drain > 0:
		text += fmt.Sprintf(" (%d accept, %d drain)", accept, drain)
	case drain > 0:
		text += " draining"
	}
	return text + ", " + counted(connections, "connection")
}
