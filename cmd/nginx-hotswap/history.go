package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

func newHistory(p *places) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "history [ID]",
		Short: "Show past cycles, or one of them",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("one id at most, not %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			records, err := p.store.History(slog.New(systemd.NewHandler(slog.LevelWarn)))
			if err != nil {
				return err
			}
			if len(args) > 0 {
				if records, err = only(records, args[0]); err != nil {
					return err
				}
			}
			switch {
			case asJSON:
				return printJSON(cmd.OutOrStdout(), records)
			case len(args) > 0:
				return printCycle(cmd.OutOrStdout(), records[0])
			default:
				return printHistory(cmd.OutOrStdout(), records)
			}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the records as JSON")
	return cmd
}

func only(records []*supervisor.Record, id string) ([]*supervisor.Record, error) {
	for _, r := range records {
		if r.ID == id {
			return []*supervisor.Record{r}, nil
		}
	}
	return nil, fmt.Errorf("there is no cycle %.40q; `nginx-hotswap history` lists them", id)
}

func printJSON(w io.Writer, records []*supervisor.Record) error {
	if records == nil {
		records = []*supervisor.Record{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(records)
}

func printHistory(w io.Writer, records []*supervisor.Record) error {
	if len(records) == 0 {
		fmt.Fprintln(w, "Nothing has happened yet.")
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTARTED\tINSTANCE\tFROM\tTO\tBY\tRESULT\tTOOK\tREASON")
	for _, r := range records {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Started.Local().Format("2006-01-02 15:04:05"), r.Instance,
			r.Old.Version, orDash(r.Successor.Version), r.Origin, r.Result, tookText(r), shorten(r.Reason, 60))
	}
	return table.Flush()
}

func printCycle(w io.Writer, r *supervisor.Record) error {
	fmt.Fprintf(w, "Cycle %s of %s, by %s: %s\n", r.ID, r.Instance, r.Origin, r.Result)
	if r.Reason != "" {
		fmt.Fprintf(w, "Reason: %s\n", r.Reason)
	}
	if r.Drift != "" {
		fmt.Fprintf(w, "Configuration: %s was changed since the old master loaded it\n", r.Drift)
	}
	fmt.Fprintf(w, "Old:       nginx %s, master %s, SHA-256 %s\n", r.Old.Version, pidOrDash(r.Old.PID), r.Old.SHA256)
	fmt.Fprintf(w, "Successor: nginx %s, master %s, SHA-256 %s\n\n", orDash(r.Successor.Version), pidOrDash(r.Successor.PID), r.Successor.SHA256)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PHASE\tSTARTED\tTOOK")
	for _, s := range r.Steps {
		fmt.Fprintf(table, "%s\t%s\t%v\n", s.Phase, s.Started.Local().Format("15:04:05.000"), time.Duration(s.DurationMS)*time.Millisecond)
	}
	return table.Flush()
}

func tookText(r *supervisor.Record) string {
	if r.Finished == nil {
		return "-"
	}
	return r.Finished.Sub(r.Started).Round(100 * time.Millisecond).String()
}

// shorten keeps a table readable.
func shorten(s string, most int) string {
	s = strings.ReplaceAll(s, "\n", " ")
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}
