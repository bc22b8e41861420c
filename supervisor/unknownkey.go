package supervisor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// sectionNames are all that there are.
var sectionNames = []string{"Supervisor", "Metrics", "Upgrade", "Probe", "Instance"}

func unknownSection(name string) string {
	if slices.Contains(sectionNames, name) {
		return fmt.Sprintf("section [%s] is ignored: it does not belong in this file", name)
	}
	return fmt.Sprintf("unknown section [%s] is ignored%s", name, didYouMean(name, sectionNames, "[%s]"))
}

func unknownKey(in, name string, keys section) string {
	// Scratch settings: only the names are of interest.
	for _, other := range sectionNames {
		if _, common := new(Config).section(other)[name]; common && other != in {
			return fmt.Sprintf("[%s] %s= is ignored: it belongs to [%s]", in, name, other)
		}
	}
	if _, own := new(InstanceConfig).section("Instance")[name]; own && in != "Instance" {
		return fmt.Sprintf("[%s] %s= is ignored: it belongs to [Instance] in a file of instance.d", in, name)
	}
	return fmt.Sprintf("unknown key [%s] %s= is ignored%s", in, name, didYouMean(name, slices.Sorted(maps.Keys(keys)), "%s="))
}

func didYouMean(word string, known []string, format string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean "+format+"?)", best)
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}
