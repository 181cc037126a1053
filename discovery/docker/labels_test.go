package docker

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestSplitTags(t *testing.T) {
	for _, test := range []struct {
		list string
		want []string
	}{
		{"", nil}, {"a", []string{"a"}}, {"c,a,b", []string{"c", "a", "b"}}, {`a\,b,c`, []string{"a,b", "c"}}, {",a,,b,", []string{"a", "b"}},
		{`a\b,\\,c`, []string{`a\b`, `\,c`}}, {`a\`, []string{`a\`}}, {`\,`, []string{","}}, {"a b, c", []string{"a b", " c"}},
	} {
		if got := splitTags(test.list); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.list, got, test.want)
		}
	}
}

func TestLabels(t *testing.T) {
	for _, test := range []struct {
		name    string
		env     []string
		labels  map[string]string
		want    map[string]string // at port 80
		problem string
	}{
		{name: "nothing of ours", env: []string{"PATH=/bin", "SERVICE", "service_name=x", "XSERVICE_NAME=y"},
			labels: map[string]string{"com.example": "x", "SERVICE_": "y"}, want: map[string]string{}},
		{name: "lower case, and the rest kept", env: []string{"SERVICE_NAME=shop", "SERVICE_REGION=eu=1"},
			want: map[string]string{"name": "shop", "region": "eu=1"}},
		{name: "a label beats the environment", env: []string{"SERVICE_NAME=env"}, labels: map[string]string{"SERVICE_NAME": "label"},
			want: map[string]string{"name": "label"}},
		{name: "a port beats the rest", env: []string{"SERVICE_80_NAME=own"}, labels: map[string]string{"SERVICE_NAME": "label"},
			want: map[string]string{"name": "own"}},
		{name: "a port's label beats its environment", env: []string{"SERVICE_80_NAME=env", "SERVICE_NAME=x"},
			labels: map[string]string{"SERVICE_80_NAME": "label"}, want: map[string]string{"name": "label"}},
		{name: "other ports", env: []string{"SERVICE_81_NAME=other", "SERVICE_443_CHECK_HTTP=/"}, want: map[string]string{}},
		{name: "keys with several parts", labels: map[string]string{"SERVICE_80_CHECK_HTTP": "/health", "SERVICE_CHECK_INTERVAL": "5s"},
			want: map[string]string{"check_http": "/health", "check_interval": "5s"}},
		{name: "an empty one of the port's own erases", env: []string{"SERVICE_TAGS=a", "SERVICE_80_TAGS="}, want: map[string]string{"tags": ""}},
		{name: "a number alone is no port", env: []string{"SERVICE_80=x"}, want: map[string]string{"80": "x"}},
		{name: "names in other cases", labels: map[string]string{"SERVICE_Name": "b", "SERVICE_NAME": "a"}, want: map[string]string{"name": "b"}},
		{name: "port 0", env: []string{"SERVICE_0_NAME=x"}, want: map[string]string{}, problem: "SERVICE_0_NAME: 0 is not a port"},
		{name: "port too high", labels: map[string]string{"SERVICE_65536_NAME": "x"}, want: map[string]string{}, problem: "65536 is not a port"},
		{name: "port below 0", env: []string{"SERVICE_-1_NAME=x"}, want: map[string]string{}, problem: "-1 is not a port"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := readLabels(test.env, test.labels)
			if got := l.all(80); !maps.Equal(got, test.want) {
				t.Errorf("at port 80: %v, want %v", got, test.want)
			}
			if test.problem == "" && l.problem != "" || !strings.Contains(l.problem, test.problem) {
				t.Errorf("problem %q, want %q", l.problem, test.problem)
			}
		})
	}
}

func FuzzSplitTags(f *testing.F) {
	f.Add(`a\,b,c,,\`)
	f.Fuzz(func(t *testing.T, list string) {
		tags := splitTags(list)
		if slices.Contains(tags, "") {
			t.Errorf("%q has an empty tag: %q", list, tags)
		}
		var escaped []string
		for _, tag := range tags {
			escaped = append(escaped, strings.ReplaceAll(tag, ",", `\,`))
		}
		// What is written again means the same, but where a tag ends in a backslash, which cannot be written.
		if again := splitTags(strings.Join(escaped, ",")); !slices.Equal(again, tags) && !strings.Contains(strings.Join(tags, ",")+",", `\,`) {
			t.Errorf("%q: %q, written again %q", list, tags, again)
		}
	})
}
