package supervisor

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestMemoryJudge(t *testing.T) {
	const mega = 1 << 20
	for name, tt := range map[string]struct {
		memory  memory
		tight   string // part of what is said
		refused bool
	}{
		"plenty":                    {memory{one: 10 * mega, available: 1000 * mega}, "", false},
		"not enough in the machine": {memory{one: 100 * mega, available: 50 * mega}, "about 100M of memory, and 50M is free", false},
		"a wide limit":              {memory{one: 10 * mega, available: 1000 * mega, limit: 100 * mega}, "", false},
		"a tight limit":             {memory{one: 45 * mega, available: 1000 * mega, limit: 100 * mega}, "need 90M of memory, and MemoryMax= of nginx.service is 100M", false},
		"beyond the limit":          {memory{one: 60 * mega, available: 1000 * mega, limit: 100 * mega}, "", true},
		"small figures":             {memory{one: 700 << 10, available: 1}, "about 700K of memory, and 1K is free", false},
	} {
		t.Run(name, func(t *testing.T) {
			tight, err := tt.memory.judge("nginx.service")
			if !strings.Contains(tight, tt.tight) || tt.tight == "" && tight != "" {
				t.Errorf("got %q", tight)
			}
			refusal, ok := errors.AsType[*Refusal](err)
			if ok != tt.refused || ok && (refusal.Reason != ReasonMemory || !strings.Contains(refusal.Remedy, "MemoryMax=150M")) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMemoryOfThisProcess(t *testing.T) {
	n, err := nginx.Anonymous(os.Getpid())
	if err != nil || n < 1<<20 || n > 1<<34 {
		t.Errorf("anonymous: %d, %v", n, err)
	}
	if free, err := nginx.AvailableMemory(); err != nil || free < 1<<20 {
		t.Errorf("available: %d, %v", free, err)
	}
	if _, err := nginx.Anonymous(1 << 22); err == nil {
		t.Error("a process that is not there has memory")
	}
}
