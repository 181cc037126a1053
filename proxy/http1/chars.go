package http1

// The classes of bytes the grammar needs: tokens (RFC 9110 §5.6.2), field content (§5.5) and request targets (RFC 3986, none of
// which may hold blanks, controls or a fragment).
const (
	tokenByte = 1 << iota
	valueByte
	targetByte
)

var class = func() (table [256]uint8) {
	for c := range 256 {
		if c == '\t' || c >= ' ' && c != 0x7f {
			table[c] |= valueByte
		}
		if c > ' ' && c != 0x7f && c != '#' {
			table[c] |= targetByte
		}
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			table[c] |= tokenByte
		}
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		table[c] |= tokenByte
	}
	return table
}()

type text interface{ ~string | ~[]byte }

func all[T text](s T, want uint8) bool {
	for i := 0; i < len(s); i++ {
		if class[s[i]]&want == 0 {
			return false
		}
	}
	return true
}

// ValidName reports whether s is a field name or method: a token.
func ValidName[T text](s T) bool { return len(s) > 0 && all(s, tokenByte) }

// ValidValue reports whether s may stand as a field's value: no control character but the tab.
func ValidValue[T text](s T) bool { return all(s, valueByte) }

// ValidTarget reports whether s may stand as a request target: not empty, no blank, control character or fragment.
func ValidTarget[T text](s T) bool { return len(s) > 0 && all(s, targetByte) }

// lower is ASCII lower case; other bytes stay as they are.
func lower(c byte) byte { return lowered[c] }

var lowered = func() (table [256]byte) {
	for i := range 256 {
		c := byte(i)
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		table[i] = c
	}
	return table
}()

// EqualFold reports whether name is word, which must be in lower case, whatever the case of name's ASCII letters.
func EqualFold[T text](name T, word string) bool {
	if len(name) != len(word) {
		return false
	}
	for i := 0; i < len(word); i++ {
		if lower(name[i]) != word[i] {
			return false
		}
	}
	return true
}

// HasToken reports whether word, in lower case, is an element of the comma-separated list.
func HasToken[T text](list T, word string) bool {
	for start := 0; start <= len(list); {
		end := start
		for end < len(list) && list[end] != ',' {
			end++
		}
		if EqualFold(trim(list[start:end]), word) {
			return true
		}
		start = end + 1
	}
	return false
}

// trim removes optional white space (RFC 9110 §5.6.3) from both ends.
func trim[T text](s T) T {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
