package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/cmd/nginx-hotswap/report"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// toStdout is the name of a file that is none.
const toStdout = "-"

// writeReport makes the page before it touches the file: an older report is not
// lost to an error.
func (p *places) writeReport(ctx context.Context, stdout io.Writer, file string, rec *supervisor.Record) error {
	var page bytes.Buffer
	if err := p.report(ctx, rec).Write(&page); err != nil {
		return fmt.Errorf("cannot make the report: %w", err)
	}
	if file == toStdout {
		_, err := page.WriteTo(stdout)
		return err
	}
	if err := os.WriteFile(file, page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	return nil
}

// report puts together what is known. Only the record must be there.
func (p *places) report(ctx context.Context, rec *supervisor.Record) report.Report {
	r := report.Report{Record: rec, Program: "nginx-hotswap " + version(), Made: time.Now()}
	r.Host, _ = os.Hostname() // then the page names none
	var err error
	if r.Samples, err = p.store.Samples(rec.ID); err != nil {
		r.SamplesNote = "There are no curves: " + err.Error() + "."
	}
	r.Log, r.LogNote = (journal{journalctl}).window(ctx, rec, r.Made)
	return r
}
