package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

func newHistory(p *places) *cobra.Command {
	asJSON, html := false, ""
	cmd := &cobra.Command{
		Use:   "history [ID]",
		Short: "Show past cycles, or one of them",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("one id at most, not %d", len(args))}
			}
			if asJSON && html != "" {
				return usageError{errors.New("--json and --html exclude each other")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			records, err := p.records(args)
			switch {
			case err != nil:
				return err
			case html != "" && len(records) == 0:
				return errors.New("no cycle has ended yet, there is none to report on")
			case html != "":
				newest := slices.MaxFunc(records, func(a, b *supervisor.Record) int { return a.Started.Compare(b.Started) })
				return p.writeReport(cmd.Context(), cmd.OutOrStdout(), html, newest)
			case asJSON:
				return printJSON(cmd.OutOrStdout(), records)
			case len(args) > 0:
				return printCycle(cmd.OutOrStdout(), records[0], time.Local)
			default:
				return printHistory(cmd.OutOrStdout(), records, time.Local)
			}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the records as JSON")
	cmd.Flags().StringVar(&html, "html", "", "write a page about one cycle, the last one without ID; to a `FILE` with =: --html=FILE")
	cmd.Flags().Lookup("html").NoOptDefVal = toStdout
	return cmd
}

// records are all of them, or the one whose id is given.
func (p *places) records(args []string) ([]*supervisor.Record, error) {
	if len(args) == 0 {
		return p.store.History(slog.New(systemd.NewHandler(slog.LevelWarn)))
	}
	rec, err := p.store.Record(args[0])
	if errors.Is(err, supervisor.ErrNoCycle) {
		return nil, fmt.Errorf("%w; `nginx-hotswap history` lists them", err)
	}
	if err != nil {
		return nil, err
	}
	return []*supervisor.Record{rec}, nil
}

func printJSON(w io.Writer, records []*supervisor.Record) error {
	if records == nil {
		records = []*supervisor.Record{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(records)
}
