/** The events of an auction house, made up as `generator.rs` makes them: event `n` is a function of a seed and `n`. */
final class Events {
    static final long BEGIN = 1_436_918_400_000L;
    private static final int PEOPLE = 1, AUCTIONS = 3, EPOCH = 50;
    private static final long FIRST = 1000, FIRST_CATEGORY = 10, CATEGORIES = 5;
    private static final long ACTIVE_PEOPLE = 1000, OPEN_AUCTIONS = 100, LEAD = 10, HOT_EVERY = 100;
    private static final String[] FIRST_NAMES =
        {"Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"};
    private static final String[] LAST_NAMES =
        {"Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"};
    private static final String[] CITIES = {"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend",
        "Redmond", "Seattle", "Kent", "Cheyenne"};
    private static final String[] STATES = {"AZ", "CA", "ID", "OR", "WA", "WY"};
    private static final String[] HOT_CHANNELS = {"Google", "Facebook", "Baidu", "Apple"};

    static class Event {
        long at;
    }

    static final class Person extends Event {
        long id;
        String name, emailAddress, creditCard, city, state, extra;
    }

    static final class Auction extends Event {
        long id, initialBid, reserve, expires, seller, category;
        String itemName, description, extra;
    }

    static final class Bid extends Event {
        long auction, bidder, price;
        String channel, url, extra;
    }

    final long seed, rate;

    Events(long seed, long rate) {
        this.seed = seed;
        this.rate = rate;
    }

    Event event(long number) {
        Chance chance = new Chance(seed, number);
        long place = number % EPOCH;
        if (place < PEOPLE) return person(number, chance);
        return place < PEOPLE + AUCTIONS ? auction(number, chance) : bid(number, chance);
    }

    private long at(long number) {
        return BEGIN + number * 1000 / rate;
    }

    private Person person(long number, Chance chance) {
        Person p = new Person();
        p.name = chance.oneOf(FIRST_NAMES) + " " + chance.oneOf(LAST_NAMES);
        p.emailAddress = chance.word(3, 7) + "@" + chance.word(3, 5) + ".com";
        StringBuilder card = new StringBuilder();
        for (int i = 0; i < 4; i++) {
            if (i > 0) card.append(' ');
            String digits = Long.toString(chance.below(10_000));
            card.append("0000", 0, 4 - digits.length()).append(digits);
        }
        p.creditCard = card.toString();
        p.city = chance.oneOf(CITIES);
        p.state = chance.oneOf(STATES);
        p.extra = chance.extra(200, 16 + p.name.length() + p.emailAddress.length() + p.creditCard.length()
            + p.city.length() + p.state.length());
        p.id = FIRST + newestPerson(number);
        p.at = at(number);
        return p;
    }

    private Auction auction(long number, Chance chance) {
        Auction a = new Auction();
        long seller = chance.below(4) == 0 ? chance.person(number) : newestPerson(number) / HOT_EVERY * HOT_EVERY;
        a.itemName = chance.word(3, 20);
        a.description = chance.sentence(3, 100);
        a.initialBid = chance.price();
        a.extra = chance.extra(500, 64 + a.itemName.length() + a.description.length());
        a.at = at(number);
        long until = Math.max(0, at(number + OPEN_AUCTIONS * EPOCH / AUCTIONS) - a.at);
        a.id = FIRST + newestAuction(number);
        a.reserve = a.initialBid + chance.price();
        a.expires = a.at + 1 + chance.below(Math.max(1, 2 * until));
        a.seller = FIRST + seller;
        a.category = FIRST_CATEGORY + chance.below(CATEGORIES);
        return a;
    }

    private Bid bid(long number, Chance chance) {
        Bid b = new Bid();
        long newest = newestAuction(number);
        if (chance.below(2) == 0) {
            long oldest = Math.max(0, newest - OPEN_AUCTIONS);
            b.auction = FIRST + oldest + chance.below(newest - oldest + 1 + LEAD);
        } else {
            b.auction = FIRST + newest / HOT_EVERY * HOT_EVERY;
        }
        b.bidder = FIRST
            + (chance.below(4) == 0 ? chance.person(number) : newestPerson(number) / HOT_EVERY * HOT_EVERY + 1);
        b.price = chance.price();
        chance.channel(seed, b);
        b.at = at(number);
        b.extra = chance.extra(100, 32);
        return b;
    }

    private static long newestPerson(long number) {
        return number / EPOCH;
    }

    private static long newestAuction(long number) {
        long epoch = number / EPOCH * AUCTIONS, place = number % EPOCH;
        return place >= PEOPLE ? epoch + Math.min(place - PEOPLE, AUCTIONS - 1) : Math.max(0, epoch - 1);
    }

    /** SplitMix64, as in `generator.rs`. */
    private static final class Chance {
        private long state;

        Chance(long seed, long number) {
            state = seed;
            long first = next();
            state = number;
            state = first ^ Long.rotateLeft(next(), 32);
        }

        long next() {
            state += 0x9e3779b97f4a7c15L;
            long mixed = state;
            mixed = (mixed ^ (mixed >>> 30)) * 0xbf58476d1ce4e5b9L;
            mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
            return mixed ^ (mixed >>> 31);
        }

        long below(long bound) {
            long random = next();
            return Math.multiplyHigh(random, bound) + ((random >> 63) & bound);
        }

        <T> T oneOf(T[] choices) {
            return choices[(int) below(choices.length)];
        }

        long person(long number) {
            long people = newestPerson(number) + 1, active = Math.min(people, ACTIVE_PEOPLE);
            return people - active + below(active + LEAD);
        }

        long price() {
            double uniform = (next() >>> 11) / (double) (1L << 53);
            return Math.round(Math.pow(10, 6.0 * uniform) * 100.0);
        }

        String word(long least, long most) {
            return letters(least + below(most - least + 1));
        }

        String sentence(long least, long most) {
            byte[] letters = new byte[(int) (least + below(most - least + 1))];
            for (int i = 0; i < letters.length; i++) letters[i] = (byte) (below(13) == 0 ? ' ' : 'a' + below(26));
            return new String(letters, java.nio.charset.StandardCharsets.ISO_8859_1);
        }

        String letters(long length) {
            byte[] letters = new byte[(int) length];
            for (int i = 0; i < letters.length; i++) letters[i] = (byte) ('a' + below(26));
            return new String(letters, java.nio.charset.StandardCharsets.ISO_8859_1);
        }

        String extra(long average, long bytes) {
            long missing = Math.max(0, average - bytes), least = missing - missing / 5;
            return letters(least + below(2 * (missing / 5) + 1));
        }

        void channel(long seed, Bid bid) {
            if (below(2) == 0) {
                bid.channel = oneOf(HOT_CHANNELS);
                bid.url = new Chance(seed, bid.channel.chars().sum()).url();
                return;
            }
            long number = below(10_000);
            Chance ofChannel = new Chance(seed, -1 - number);
            bid.url = ofChannel.url();
            if (ofChannel.below(10) > 0) bid.url += "&channel_id=" + ofChannel.below(1L << 31);
            bid.channel = "channel-" + number;
        }

        String url() {
            return "https://www.nexmark.com/" + word(3, 5) + "/" + word(3, 5) + "/" + word(3, 5) + "/item.htm?query=1";
        }
    }
}
