package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
)

// standIn lets what is written for tests be called from a program: it ends by
// panic where a test would end. What is not defined here is not called.
type standIn struct {
	testing.TB
	ctx context.Context
	dir string
}

// failure is the panic of a standIn.
type failure struct{ error }

// asTest calls a helper of tests and returns how it failed. dir is where its
// temporary directories go.
func asTest(ctx context.Context, dir string, helper func(testing.TB)) (err error) {
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case failure:
			err = reason.error
		default:
			panic(reason)
		}
	}()
	helper(&standIn{ctx: ctx, dir: dir})
	return nil
}

func (s *standIn) Helper()                  {}
func (s *standIn) Context() context.Context { return s.ctx }
func (s *standIn) Fatal(arg ...any)         { panic(failure{errors.New(fmt.Sprint(arg...))}) }
func (s *standIn) Skip(arg ...any)          { s.Fatal(arg...) }
func (s *standIn) Fatalf(format string, arg ...any) {
	s.Fatal(fmt.Sprintf(format, arg...))
}

func (s *standIn) TempDir() string {
	dir, err := os.MkdirTemp(s.dir, "")
	if err != nil {
		s.Fatal(err)
	}
	return dir
}
